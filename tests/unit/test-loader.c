/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/loader.h"

#include "base/str.h"
#include "realelf.h"
#include "sys/elf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct world {
	char *dir;
	struct root root; /* the scratch directory as --root */
	struct loader_memory memory;
};

static int start(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	*state = w;
	w->dir = realelf_scratch();
	if (!w->dir || root_open(w->dir, &w->root) < 0)
		return -1;
	return 0;
}

static int stop(void **state)
{
	struct world *w = *state;

	loader_memory_done(&w->memory);
	root_done(&w->root);
	realelf_sweep(w->dir);
	free(w);
	return 0;
}

struct plugins {
	struct server_facts server;
	struct elf_facts elf;
	char *path;
};

static void plugins_done(struct plugins *p)
{
	server_facts_done(&p->server);
	elf_facts_done(&p->elf);
	free(p->path);
}

static void read_file(const char *path, struct elf_facts *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(elf_read(fd, ret), 0);
}

/* A plugin that needs libgonefor.so, with these linker options, and a server program. */
static void make_plugin(struct world *w, const char *name, const char *options, struct plugins *p)
{
	_cleanup_free_ char *program = NULL, *all = NULL, *real = realpath(w->dir, NULL);

	assert_true(realelf_compile(w->dir, "libgonefor.so", "int gone_for(void){return 1;}",
				    "-shared -fPIC -nostdlib -Wl,-soname,libgonefor.so"));
	assert_true(asprintf(&all, "-shared -fPIC -nostdlib -L. -lgonefor %s", options) > 0);
	assert_true(realelf_compile(
		w->dir, name, "int gone_for(void);int module_entrypoint(void){return gone_for();}",
		all));
	p->path = realelf_path(real, "%s", name);
	read_file(p->path, &p->elf);
	if (p->server.is_elf)
		return;
	assert_true(realelf_compile(w->dir, "server", "int main(void){return 0;}", ""));
	program = realelf_path(w->dir, "server");
	read_file(program, &p->server.program.elf);
	p->server.is_elf = true;
}

static void check_missing(struct world *w, const struct plugins *p, const char *missing,
			  bool question)
{
	_cleanup_(root_done) struct root host = ROOT_INIT;
	_cleanup_strv_ char **found = NULL;
	_cleanup_free_ char *why = NULL, *origin = realelf_path(w->dir, "links");
	const struct loader_question q = {.path = p->path, .origin = origin, .elf = &p->elf};

	assert_int_equal(root_open(NULL, &host), 0);
	assert_int_equal(loader_check_memory(&w->memory, &host, &p->server), 0);
	assert_int_equal(loader_find_missing(&w->memory, &host, &p->server, &q, &found, &why), 0);
	if (!question && why)
		fail_msg("%s", why);
	assert_int_equal(why != NULL, question);
	assert_int_equal(strv_len(found), missing ? 1 : 0);
	if (missing)
		assert_string_equal(found[0], missing);
}

static void remove_library(struct world *w)
{
	_cleanup_free_ char *path = realelf_path(w->dir, "libgonefor.so");

	assert_int_equal(unlink(path), 0);
}

static void test_rule_11_missing_library(void **state)
{
	_cleanup_(plugins_done) struct plugins p = {0};
	struct world *w = *state;

	make_plugin(w, "plugin.so", "", &p);
	assert_true(strv_has(p.elf.needed, "libgonefor.so"));
	check_missing(w, &p, "libgonefor.so", false);
	remove_library(w);
	check_missing(w, &p, "libgonefor.so", false);
}

static void rename_library(struct world *w, const char *from, const char *to)
{
	_cleanup_free_ char *a = realelf_path(w->dir, "%s", from),
			    *b = realelf_path(w->dir, "%s", to);

	assert_int_equal(rename(a, b), 0);
}

/* What was found is remembered with all that it depends on, and what was not is asked for again. */
static void test_rule_11_a_file_with_its_own_search_path(void **state)
{
	_cleanup_(plugins_done) struct plugins p = {0};
	_cleanup_free_ char *options = NULL, *interpreter = NULL;
	struct world *w = *state;

	assert_true(asprintf(&options, "-Wl,-rpath,%s -Wl,--build-id=0x01", w->dir) > 0);
	make_plugin(w, "plugin.so", options, &p);
	assert_true(p.elf.searches);
	assert_string_equal(p.elf.search_path, w->dir);
	check_missing(w, &p, NULL, false);
	interpreter = TAKE_PTR(p.server.program.elf.interpreter);
	check_missing(w, &p, NULL, false); /* asked once: there is nobody to ask now */
	p.server.program.elf.interpreter = TAKE_PTR(interpreter);
	rename_library(w, "libgonefor.so", "aside");
	check_missing(w, &p, "libgonefor.so", false);
	rename_library(w, "aside", "libgonefor.so");
	check_missing(w, &p, NULL, false);
}

/* glibc takes the directory of the link for $ORIGIN, not that of the file. */
static void test_rule_11_origin_is_the_directory_of_the_link(void **state)
{
	_cleanup_(plugins_done) struct plugins p = {0}, q = {0};
	struct world *w = *state;
	_cleanup_free_ char *links = realelf_path(w->dir, "links");

	assert_int_equal(mkdir(links, 0755), 0);
	make_plugin(w, "plugin.so", "-Wl,-rpath,'$ORIGIN' -Wl,--build-id=0x01", &p);
	check_missing(w, &p, "libgonefor.so", false);
	make_plugin(w, "other.so", "-Wl,-rpath,'/nowhere:${ORIGIN}/../' -Wl,--build-id=0x02", &q);
	check_missing(w, &q, NULL, false);
	rename_library(w, "libgonefor.so", "links/libgonefor.so");
	check_missing(w, &p, NULL, false);
}

static void test_rule_11_names_known_to_resolve_are_not_asked_again(void **state)
{
	_cleanup_(plugins_done) struct plugins p = {0};
	_cleanup_free_ char *interpreter = NULL;
	struct world *w = *state;

	make_plugin(w, "plugin.so", "", &p);
	strv_free(TAKE_PTR(p.elf.needed));
	strv_free(TAKE_PTR(p.server.program.elf.needed));
	assert_int_equal(strv_add(&p.elf.needed, "libpresent.so.6"), 0);
	/* The name is not in the file, so the trace reports only libgonefor.so: nothing is learnt.
	 */
	check_missing(w, &p, "libgonefor.so", false);
	check_missing(w, &p, "libgonefor.so", false);
	/* What the program itself needs is loaded before any plugin. */
	assert_int_equal(strv_add(&p.server.program.elf.needed, "libpresent.so.6"), 0);
	check_missing(w, &p, NULL, false);
	strv_free(TAKE_PTR(p.server.program.elf.needed));
	/* A file whose names all resolve teaches them. */
	assert_true(realelf_compile(w->dir, "plugin.so",
				    "int puts(const char*);int module_entrypoint"
				    "(void){return puts(\"\");}",
				    "-shared -fPIC"));
	elf_facts_done(&p.elf);
	read_file(p.path, &p.elf);
	check_missing(w, &p, NULL, false);
	interpreter = TAKE_PTR(p.server.program.elf.interpreter);
	check_missing(w, &p, NULL, false); /* nobody to ask, and no need to */
	p.server.program.signature.size++;
	check_missing(w, &p, NULL, true);
}

static void test_rule_11_a_loader_that_cannot_be_asked_is_a_question(void **state)
{
	_cleanup_(plugins_done) struct plugins p = {0};
	static const char script[] =
		"#!/bin/sh\n>\"${0%/*}/asked\"\necho 'libgonefor.so => not found'\n";
	struct world *w = *state;
	_cleanup_free_ char *real = NULL, *loader = NULL;
	_cleanup_free_ char *fake = realelf_path(w->dir, "fake"),
			    *asked = realelf_path(w->dir, "asked");

	make_plugin(w, "plugin.so", "", &p);
	loader = TAKE_PTR(p.server.program.elf.interpreter);
	assert_int_equal(str_replace(&p.server.program.elf.interpreter, "/nonexistent/ld.so"), 0);
	check_missing(w, &p, NULL, true);
	assert_int_equal(str_replace(&p.server.program.elf.interpreter, NULL), 0);
	check_missing(w, &p, NULL, true);
	/* The scratch directory lies in /tmp, which everybody writes to. */
	assert_true(realelf_write(fake, script, strlen(script), 0755));
	real = realpath(fake, NULL);
	assert_int_equal(str_replace(&p.server.program.elf.interpreter, real), 0);
	check_missing(w, &p, NULL, true);
	assert_int_equal(access(asked, F_OK), -1);
	assert_int_equal(str_replace(&p.server.program.elf.interpreter, loader), 0);
	/* A loader that refuses: by now that is no shared object at all. */
	assert_true(realelf_write(p.path, "text", 4, 0755));
	check_missing(w, &p, NULL, true);
}

static void test_rule_11_nothing_is_judged_below_a_root(void **state)
{
	_cleanup_(plugins_done) struct plugins p = {0};
	_cleanup_strv_ char **found = NULL;
	_cleanup_free_ char *why = NULL;
	struct loader_question q = {.path = "/plugin.so", .origin = "/links"};
	struct world *w = *state;

	make_plugin(w, "plugin.so", "", &p);
	q.elf = &p.elf;
	assert_int_equal(loader_find_missing(&w->memory, &w->root, &p.server, &q, &found, &why), 0);
	assert_null(found);
	assert_null(why);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(test_rule_11_missing_library),
		IN_A_WORLD(test_rule_11_a_file_with_its_own_search_path),
		IN_A_WORLD(test_rule_11_origin_is_the_directory_of_the_link),
		IN_A_WORLD(test_rule_11_names_known_to_resolve_are_not_asked_again),
		IN_A_WORLD(test_rule_11_a_loader_that_cannot_be_asked_is_a_question),
		IN_A_WORLD(test_rule_11_nothing_is_judged_below_a_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
