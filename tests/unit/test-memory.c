/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "realelf.h"
#include "sys/conf.h"
#include "sys/elf.h"
#include "sys/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What reads the world is run again and again, and each time another allocation of it fails. Whoever
 * took that for something about the world (no such file, no mask, no note) would go on with it: a
 * failure must be -ENOMEM to the end. The linker puts these in the place of libc's (--wrap). */

static long fail_at = -1;
static bool has_failed;

static bool fails(void)
{
	if (fail_at < 0 || fail_at-- > 0)
		return false;
	has_failed = true;
	errno = ENOMEM;
	return true;
}

#define WRAP(type, name, parameters, arguments) \
	type __real_##name parameters; \
	type __wrap_##name parameters; \
	type __wrap_##name parameters \
	{ \
		return fails() ? NULL : __real_##name arguments; \
	} \
	struct _semicolon_

WRAP(void *, malloc, (size_t size), (size));
WRAP(void *, calloc, (size_t n, size_t size), (n, size));
WRAP(void *, realloc, (void *p, size_t size), (p, size));
WRAP(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size));
WRAP(char *, strdup, (const char *s), (s));
WRAP(char *, strndup, (const char *s, size_t n), (s, n));

static char *scratch;
static struct root root = ROOT_INIT;

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = realelf_path(scratch, "%s", name);

	assert_true(realelf_write(path, text, strlen(text), 0644));
}

static void put_link(const char *name, const char *text)
{
	_cleanup_free_ char *path = realelf_path(scratch, "%s", name);

	assert_int_equal(symlink(text, path), 0);
}

static void make_directories(const char *const *names)
{
	for (; *names; names++) {
		_cleanup_free_ char *path = realelf_path(scratch, "%s", *names);

		assert_int_equal(mkdir(path, 0755), 0);
	}
}

static int start(void **state)
{
	static const char *const directories[] = {
		"etc", "etc/vsmtp-plugind", "etc/vsmtp-plugind/plugind.conf.d",
		"usr", "usr/lib",           "usr/lib/vsmtp-plugind",
		"var", "var/lib",           "var/lib/vsmtp-plugind",
		NULL};

	UNUSED(state);
	scratch = realelf_scratch();
	if (!scratch || root_open(scratch, &root) < 0)
		return -1;
	make_directories(directories);
	put("etc/vsmtp-plugind/plugind.conf",
	    "[Plugind]\nStore=/a /b c\nUnit=x\nVersion=1.0.0\nAction=wrong\nLinkName=x-%n\n"
	    "[Plugin my_sql]\nEnabled=no\nLinkName=y\n[Nobody]\nnothing\n");
	put("etc/vsmtp-plugind/plugind.conf.d/10-more.conf", "[Plugind]\nLinks=/l\\\n /m\n");
	put_link("etc/vsmtp-plugind/plugind.conf.d/20-mask.conf", "/dev/null");
	put_link("etc/vsmtp-plugind/plugind.conf.d/30-nowhere.conf", "/nowhere");
	put_link("usr/lib/vsmtp-plugind/plugind.conf.d", "/nowhere");
	put("var/lib/vsmtp-plugind/names",
	    "# comment\nmy-sql\tfound\tmysql.so\nother\tchosen,parked\to.so\nbroken\n");
	return realelf_compile(
		       scratch, "plugin.so",
		       REALELF_MODULE REALELF_NOTE(".note.vsmtp", "\\\"a\\\"", "4", "1.2.3"),
		       "-shared -fPIC -nostdlib -Wl,--build-id=0x01 -Wl,-rpath,/x")
		       ? 0
		       : -1;
}

static int stop(void **state)
{
	UNUSED(state);
	root_done(&root);
	realelf_sweep(scratch);
	return 0;
}

static int read_configuration(void)
{
	_cleanup_(config_remarks_done) struct config_remarks remarks = {0};
	_cleanup_(config_done) struct config c = {0};

	return conf_load(&root, &c, &remarks);
}

static int read_names(void)
{
	_cleanup_(remembered_names_done) struct remembered_names n = {0};

	return state_read_names(&root, &n);
}

static int read_elf(void)
{
	_cleanup_close_ int fd = root_open_path(&root, "/plugin.so", O_RDONLY);
	_cleanup_(elf_facts_done) struct elf_facts f = {0};

	return elf_read(fd, &f);
}

static void check_every_failure(int (*read)(void), long at_least)
{
	long n = 0;

	for (;; n++) {
		int r;

		fail_at = n;
		has_failed = false;
		r = read();
		fail_at = -1;
		if (r != (has_failed ? -ENOMEM : 0))
			fail_msg("allocation %ld failed, and the result is %d", n, r);
		if (!has_failed)
			break;
	}
	assert_in_range(n, at_least, 10000);
}

static void test_rule_09_no_memory_is_no_configuration(void **state)
{
	UNUSED(state);
	check_every_failure(read_configuration, 50);
}

static void test_rule_09_no_memory_is_no_record_of_names(void **state)
{
	UNUSED(state);
	check_every_failure(read_names, 2);
}

static void test_rule_09_no_memory_is_no_facts(void **state)
{
	UNUSED(state);
	check_every_failure(read_elf, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_09_no_memory_is_no_configuration),
		cmocka_unit_test(test_rule_09_no_memory_is_no_record_of_names),
		cmocka_unit_test(test_rule_09_no_memory_is_no_facts),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
