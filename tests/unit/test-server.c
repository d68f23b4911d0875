/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/server.h"

#include "base/str.h"
#include "realelf.h"
#include "sys/elf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <sys/auxv.h>

#define PROGRAM "/vsmtp"
#define _cleanup_facts_ _cleanup_(server_facts_done)

/* A tree of its own, entered as --root: the walk of rule 12 starts at its top. */
struct world {
	char *dir;
	char *program; /* on the host */
	struct root root;
	struct config config;
	struct server_memory memory;
};

static int start(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	*state = w;
	w->dir = realelf_scratch();
	if (!w->dir)
		return -1;
	w->program = realelf_path(w->dir, "%s", &PROGRAM[1]);
	w->config.program = strdup(PROGRAM);
	w->config.require_root_owned = true;
	return w->program && w->config.program ? root_open(w->dir, &w->root) : -1;
}

static int stop(void **state)
{
	struct world *w = *state;

	server_memory_done(&w->memory);
	root_done(&w->root);
	free(w->config.program);
	free(w->config.version);
	free(w->program);
	realelf_sweep(w->dir);
	free(w);
	return 0;
}

/* Always a new inode, as a package manager's rename makes it. */
static void install(struct world *w, const char *script)
{
	_cleanup_free_ char *temporary = realelf_path(w->dir, "new");

	assert_true(realelf_write(temporary, script, strlen(script), 0755));
	assert_int_equal(rename(temporary, w->program), 0);
}

static void look(struct world *w, struct server_facts *s)
{
	assert_int_equal(
		server_read(&w->memory, &w->root, &w->config, SERVER_ASK_PROGRAM, NULL, NULL, s),
		0);
}

static size_t times_asked(const struct world *w)
{
	_cleanup_free_ char *path = realelf_path(w->dir, "asked");
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (size_t)st.st_size;
}

/* Each run leaves a byte beside the program. */
#define SAYS(text) "#!/bin/sh\nprintf x >>\"${0%/*}/asked\"\n" text "\n"

static void check_known(struct world *w, const char *script, const char *version)
{
	_cleanup_facts_ struct server_facts s = {0};

	install(w, script);
	look(w, &s);
	assert_int_equal(s.state, SERVER_KNOWN);
	assert_int_equal(s.source, VERSION_SOURCE_PROGRAM);
	assert_int_equal(s.doubt, SERVER_DOUBT_NONE);
	assert_string_equal(s.version, version);
}

static void test_rule_05_both_forms_of_answer(void **state)
{
	struct world *w = *state;

	check_known(w, SAYS("echo vsmtp 1.2.1"), "1.2.1");
	check_known(w, SAYS("printf 'vsmtp v2.2.1\\ncommit: \\n'"), "2.2.1");
	check_known(w, SAYS("printf 'vsmtp v2.2.1\\r\\ncommit: 01\\r\\n'"), "2.2.1");
	check_known(w, SAYS("echo vsmtp v2.2.1-rc.10"), "2.2.1-rc.10");
	check_known(w, SAYS("echo vsmtp $# 1>&2; [ \"$*\" = --version ] && echo vsmtp 1.0.0"),
		    "1.0.0");
	/* Nothing of our environment reaches it (a shell sets these three itself). */
	check_known(w, SAYS("env | grep -qvE '^(PWD|OLDPWD|SHLVL|_)=' && exit 3; echo vsmtp 1.1.0"),
		    "1.1.0");
	/* A grandchild that keeps the pipe is not waited for. */
	check_known(w, SAYS("sleep 1000 & echo vsmtp 3.0.0"), "3.0.0");
}

static void check_doubt(struct world *w, const char *script, enum server_doubt doubt, int number)
{
	_cleanup_facts_ struct server_facts s = {0};

	install(w, script);
	look(w, &s);
	assert_int_equal(s.state, SERVER_UNKNOWN);
	assert_int_equal(s.source, VERSION_SOURCE_NONE);
	assert_null(s.version);
	assert_int_equal(s.doubt, doubt);
	assert_int_equal(s.doubt_number, number);
	assert_non_null(s.program.identity);
	assert_string_equal(s.program.resolved, PROGRAM);
}

static void test_rule_05_bad_answers_are_doubts(void **state)
{
	struct world *w = *state;

	check_doubt(w, SAYS("echo vsmtp 1.2.1; exit 3"), SERVER_DOUBT_STATUS, 3);
	check_doubt(w, SAYS("echo vsmtp 1.2.1; kill -SEGV $$"), SERVER_DOUBT_SIGNAL, 11);
	check_doubt(w, SAYS("while :; do echo vsmtp 1.2.1; done"), SERVER_DOUBT_FLOODS, 0);
	check_doubt(w, SAYS("true"), SERVER_DOUBT_NONSENSE, 0);
	check_doubt(w, SAYS("echo postfix 1.2.1"), SERVER_DOUBT_NONSENSE, 0);
	check_doubt(w, SAYS("echo vsmtp-receiver 3.0.0"), SERVER_DOUBT_NONSENSE, 0);
	check_doubt(w, SAYS("echo vsmtp 1.2"), SERVER_DOUBT_NONSENSE, 0);
	check_doubt(w, SAYS("echo; echo vsmtp 1.2.3"), SERVER_DOUBT_NONSENSE, 0);
	check_doubt(w, "#!/nonexistent/interpreter\n", SERVER_DOUBT_NOT_RUN, ENOENT);
	check_doubt(w, "no program at all\n", SERVER_DOUBT_NOT_RUN, ENOEXEC);
}

static void test_rule_05_a_program_that_hangs(void **state)
{
	struct world *w = *state;

	check_doubt(w, SAYS("echo vsmtp 1.2.1; sleep 1000"), SERVER_DOUBT_HANGS, 0);
	assert_int_equal(times_asked(w), 1);
}

static void test_rule_05_nonsense_is_quoted(void **state)
{
	_cleanup_facts_ struct server_facts s = {0};
	struct world *w = *state;

	install(w, SAYS("printf 'hello world\\r\\nsecond'"));
	look(w, &s);
	assert_string_equal(s.doubt_text, "hello world");
}

/* An ELF program that leaves a byte beside itself, and says that it is of this version. */
static void install_elf(struct world *w, const char *version)
{
	_cleanup_free_ char *source = NULL, *temporary = realelf_path(w->dir, "new");

	assert_true(asprintf(&source,
			     "#include <fcntl.h>\n#include <stdio.h>\n#include <unistd.h>\n"
			     "int main(void){write(open(\"%s/asked\","
			     "O_WRONLY|O_CREAT|O_APPEND,0644),\"x\",1);puts(\"vsmtp %s\");}\n",
			     w->dir, version) > 0);
	assert_true(realelf_compile(w->dir, "new", source, ""));
	assert_int_equal(rename(temporary, w->program), 0);
}

static void check_asked(struct world *w, const char *version, size_t times)
{
	_cleanup_facts_ struct server_facts s = {0};

	look(w, &s);
	assert_string_equal(s.version, version);
	assert_string_equal(s.program.resolved, PROGRAM);
	assert_non_null(s.program.identity);
	assert_int_equal(times_asked(w), times);
}

static void test_rule_05_asked_once_until_it_changes(void **state)
{
	struct world *w = *state;

	install_elf(w, "1.0.0");
	for (int i = 0; i < 3; i++)
		check_asked(w, "1.0.0", 1);
	install_elf(w, "1.1.0");
	check_asked(w, "1.1.0", 2);
	server_memory_done(&w->memory);
	check_asked(w, "1.1.0", 3);
}

/* What a script runs may be replaced without a trace on the script. */
static void test_rule_05_a_script_is_asked_each_time(void **state)
{
	_cleanup_free_ char *behind = NULL;
	struct world *w = *state;

	behind = realelf_path(w->dir, "behind");
	install(w, SAYS("cat \"${0%/*}/behind\""));
	assert_true(realelf_write(behind, "vsmtp 1.0.0\n", 12, 0644));
	check_asked(w, "1.0.0", 1);
	assert_true(realelf_write(behind, "vsmtp 1.1.0\n", 12, 0644));
	check_asked(w, "1.1.0", 2);
}

static void test_rule_05_the_configured_version_comes_first(void **state)
{
	_cleanup_facts_ struct server_facts without = {0}, with = {0}, asked = {0};
	struct world *w = *state;

	w->config.version = strdup("9.9.9");
	look(w, &without);
	assert_int_equal(without.state, SERVER_KNOWN);
	assert_int_equal(without.source, VERSION_SOURCE_CONFIG);
	assert_string_equal(without.version, "9.9.9");
	assert_false(without.is_elf);
	assert_int_equal(without.class, sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32);
	assert_int_not_equal(without.machine, EM_NONE);
	install(w, SAYS("echo vsmtp 1.0.0"));
	look(w, &with);
	assert_string_equal(with.version, "9.9.9");
	assert_int_equal(times_asked(w), 0);
	/* It is never remembered as the program's own word. */
	free(TAKE_PTR(w->config.version));
	look(w, &asked);
	assert_string_equal(asked.version, "1.0.0");
	assert_int_equal(asked.source, VERSION_SOURCE_PROGRAM);
}

static void test_rule_05_absent_and_unreadable(void **state)
{
	_cleanup_facts_ struct server_facts absent = {0}, directory = {0}, loop = {0}, file = {0};
	struct world *w = *state;

	look(w, &absent);
	assert_int_equal(absent.state, SERVER_ABSENT);
	assert_null(absent.version);
	assert_int_equal(mkdir(w->program, 0755), 0);
	look(w, &directory);
	assert_int_equal(directory.state, SERVER_UNKNOWN);
	assert_int_equal(directory.doubt, SERVER_DOUBT_UNREADABLE);
	assert_int_equal(directory.doubt_number, EISDIR);
	assert_int_equal(rmdir(w->program), 0);
	assert_int_equal(symlink("vsmtp", w->program), 0);
	look(w, &loop);
	assert_int_equal(loop.state, SERVER_UNKNOWN);
	assert_int_equal(loop.doubt_number, ELOOP);
	/* Below a file nothing is: absent. */
	assert_int_equal(unlink(w->program), 0);
	install(w, SAYS("echo vsmtp 1.0.0"));
	assert_int_equal(str_replace(&w->config.program, PROGRAM "/below"), 0);
	look(w, &file);
	assert_int_equal(file.state, SERVER_ABSENT);
}

static void test_rule_05_an_untrusted_program_is_never_run(void **state)
{
	_cleanup_facts_ struct server_facts group = {0}, above = {0}, fine = {0};
	struct world *w = *state;

	install(w, SAYS("echo vsmtp 1.0.0"));
	assert_int_equal(chmod(w->program, 0775), 0);
	look(w, &group);
	assert_int_equal(group.state, SERVER_UNKNOWN);
	assert_int_equal(group.doubt, SERVER_DOUBT_UNTRUSTED);
	assert_int_equal(group.program.trust.trust, TRUST_WRITABLE);
	assert_int_equal(chmod(w->program, 0755), 0);
	assert_int_equal(chmod(w->dir, 0777), 0);
	look(w, &above);
	assert_int_equal(above.doubt, SERVER_DOUBT_UNTRUSTED);
	assert_int_equal(times_asked(w), 0);
	/* The program has not changed, and is asked all the same once it may be. */
	assert_int_equal(chmod(w->dir, 0700), 0);
	look(w, &fine);
	assert_string_equal(fine.version, "1.0.0");
	assert_int_equal(times_asked(w), 1);
}

static void test_rule_05_an_image_s_program_is_not_run(void **state)
{
	_cleanup_facts_ struct server_facts s = {0};
	struct world *w = *state;

	install(w, SAYS("echo vsmtp 1.0.0"));
	assert_int_equal(server_read(&w->memory, &w->root, &w->config, 0, NULL, NULL, &s), 0);
	assert_int_equal(s.state, SERVER_UNKNOWN);
	assert_int_equal(s.doubt, SERVER_DOUBT_NOT_ASKED);
	assert_int_equal(times_asked(w), 0);
}

/* Where the server is no ELF file, plugins are judged for the machine of the kit itself. */
static void test_rule_11_the_own_machine(void **state)
{
	const char *path = (const char *)(uintptr_t)getauxval(AT_EXECFN);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(elf_facts_done) struct elf_facts f = {0};
	struct server_facts s = {0};

	UNUSED(state);
	assert_int_equal(elf_read(fd, &f), 0);
	server_own_machine(&s);
	assert_int_equal(s.class, f.class);
	assert_int_equal(s.data, f.data);
	assert_int_equal(s.machine, f.machine);
}

static void test_a_real_program_s_elf_facts(void **state)
{
	_cleanup_facts_ struct server_facts s = {0}, again = {0};
	struct world *w = *state;

	assert_true(realelf_compile(w->dir, "vsmtp",
				    "#include <stdio.h>\nint main(void){puts(\"vsmtp 4.5.6\");}",
				    "-Wl,--build-id=0xabcd"));
	assert_int_equal(chmod(w->program, 0755), 0);
	look(w, &s);
	assert_string_equal(s.version, "4.5.6");
	assert_true(s.is_elf);
	assert_true(s.program.judged);
	assert_string_equal(s.program.elf.build_id, "abcd");
	assert_non_null(s.program.elf.interpreter);
	assert_non_null(strstr(s.program.identity, "abcd"));
	assert_int_equal(s.machine, s.program.elf.machine);
	look(w, &again);
	assert_string_equal(again.program.elf.interpreter, s.program.elf.interpreter);
	assert_string_equal(again.program.identity, s.program.identity);
}

/* ---- package databases ---- */

static void make_dir(const char *dir, const char *path)
{
	_cleanup_free_ char *whole = realelf_path(dir, "%s", path);

	assert_true(mkdir(whole, 0755) == 0 || errno == EEXIST);
}

static void make_text(const char *dir, const char *path, const char *text)
{
	_cleanup_free_ char *whole = realelf_path(dir, "%s", path);

	assert_true(realelf_write(whole, text, strlen(text), 0644));
}

static void make_dpkg(struct world *w, const char *version, const char *owned)
{
	static const char *const dirs[] = {"var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/info",
					   "usr", "usr/sbin"};
	_cleanup_free_ char *status = NULL;

	for (size_t i = 0; i < ELEMENTSOF(dirs); i++)
		make_dir(w->dir, dirs[i]);
	assert_true(asprintf(&status,
			     "Package: vsmtp\nStatus: install ok installed\nMaintainer: x <x@y.z>\n"
			     "Architecture: all\nVersion: %s\nDescription: x\n\n",
			     version) > 0);
	make_text(w->dir, "var/lib/dpkg/status", status);
	make_text(w->dir, "var/lib/dpkg/info/vsmtp.list", owned);
	make_text(w->dir, "var/lib/dpkg/info/format", "1\n");
	make_text(w->dir, "usr/sbin/vsmtp", "an image's program\n");
	assert_int_equal(str_replace(&w->config.program, "/usr/sbin/vsmtp"), 0);
}

static void check_dpkg(struct world *w, const char *version)
{
	_cleanup_facts_ struct server_facts s = {0};

	assert_int_equal(server_read(&w->memory, &w->root, &w->config, 0, NULL, NULL, &s), 0);
	if (version) {
		assert_int_equal(s.state, SERVER_KNOWN);
		assert_int_equal(s.source, VERSION_SOURCE_DPKG);
		assert_string_equal(s.version, version);
	} else {
		assert_int_equal(s.state, SERVER_UNKNOWN);
	}
	assert_int_equal(s.doubt, SERVER_DOUBT_NOT_ASKED);
}

static void test_rule_05_the_package_database_s_word(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *database = realelf_path(w->dir, "var/lib/dpkg");

	if (access("/usr/bin/dpkg-query", X_OK) < 0)
		skip();
	make_dpkg(w, "1:2.2.1~rc.1-3", "/.\n/usr\n/usr/sbin\n/usr/sbin/vsmtp\n");
	check_dpkg(w, "2.2.1-rc.1");
	/* The database changed and the program has not. */
	make_dpkg(w, "2.2.1-1", "/.\n/sbin\n/sbin/vsmtp\n");
	server_memory_done(&w->memory);
	check_dpkg(w, "2.2.1");
	make_dpkg(w, "2.2.2-10", "/.\n/sbin\n/sbin/vsmtp\n");
	check_dpkg(w, "2.2.2");
	make_dpkg(w, "2.2.2-1", "/.\n/usr/sbin/other\n");
	server_memory_done(&w->memory);
	check_dpkg(w, NULL);
	/* Rule 12 holds for the database too. */
	make_dpkg(w, "2.2.1-1", "/.\n/usr/sbin/vsmtp\n");
	assert_int_equal(chmod(database, 0777), 0);
	server_memory_done(&w->memory);
	check_dpkg(w, NULL);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(test_rule_05_both_forms_of_answer),
		IN_A_WORLD(test_rule_05_bad_answers_are_doubts),
		IN_A_WORLD(test_rule_05_a_program_that_hangs),
		IN_A_WORLD(test_rule_05_nonsense_is_quoted),
		IN_A_WORLD(test_rule_05_asked_once_until_it_changes),
		IN_A_WORLD(test_rule_05_a_script_is_asked_each_time),
		IN_A_WORLD(test_rule_05_the_configured_version_comes_first),
		IN_A_WORLD(test_rule_05_absent_and_unreadable),
		IN_A_WORLD(test_rule_05_an_untrusted_program_is_never_run),
		IN_A_WORLD(test_rule_05_an_image_s_program_is_not_run),
		cmocka_unit_test(test_rule_11_the_own_machine),
		IN_A_WORLD(test_a_real_program_s_elf_facts),
		IN_A_WORLD(test_rule_05_the_package_database_s_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
