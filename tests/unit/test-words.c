/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "words.h"

#define HOSTILE "ev\x1b[31m\nil\xff"
#define SHOWN "ev\\x1b[31m\\x0ail\\xff"

static char mysql[] = "mysql", path[] = "/usr/lib/vsmtp/libvsmtp-plugin-mysql-1.0.0.so";
static char v110[] = "1.1.0", links[] = "/etc/vsmtp/plugins", program[] = "/usr/sbin/vsmtp";
static char store[] = "/usr/lib/vsmtp", hostile[] = HOSTILE;

struct world {
	struct config c;
	struct snapshot s;
};

static void world_make(struct world *w)
{
	*w = (struct world){
		.c = {.links = links, .program = program},
		.s = {.server = {.state = SERVER_KNOWN,
				 .source = VERSION_SOURCE_PROGRAM,
				 .version = v110}},
	};
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not tell \"%s\"", text, part);
}

static void test_server_in_words(void **state)
{
	struct world w;
	char nonsense[] = "hello\x1b";

	UNUSED(state);
	world_make(&w);
	for (enum server_doubt d = SERVER_DOUBT_NONE; d < SERVER_DOUBT_MAX; d++) {
		struct server_facts s = {.state = SERVER_UNKNOWN,
					 .doubt = d,
					 .doubt_number = 13,
					 .doubt_text = nonsense};
		_cleanup_free_ char *text = NULL;

		text = WORDS(word_server, &w.c, &s);
		expect(text, "vSMTP's version is not known");
		if (d != SERVER_DOUBT_NONE)
			expect(text, "/usr/sbin/vsmtp");
		assert_null(strchr(text, '\x1b'));
	}
	for (int known = 0; known < 2; known++) {
		struct server_facts s = w.s.server;
		_cleanup_free_ char *text = NULL;

		s.state = known ? SERVER_KNOWN : SERVER_ABSENT;
		text = WORDS(word_server, &w.c, &s);
		assert_string_equal(text, known ? "vSMTP 1.1.0 (says /usr/sbin/vsmtp)"
						: "vSMTP is not installed (no /usr/sbin/vsmtp)");
	}
}

static void test_remarks_name_file_line_key_and_what_holds(void **state)
{
	char f[] = "/etc/x.conf", section[] = "Plugind", key[] = "Action", used[] = "auto";

	UNUSED(state);
	for (enum config_problem p = 0; p < CONFIG_PROBLEM_MAX; p++) {
		struct config_remark m = {.problem = p,
					  .file = f,
					  .line = 3,
					  .section = section,
					  .key = key,
					  .value = hostile,
					  .used = used,
					  .error = EACCES};
		_cleanup_free_ char *text = NULL;

		text = WORDS(word_remark, &m);
		expect(text, "/etc/x.conf:3: [Plugind] Action=" SHOWN ": ");
		expect(text, "; in force is Action=auto");
	}
}

static void test_changes_in_words(void **state)
{
	char name[] = "a.so", was[] = "/old.so";
	struct change ch = {.action = LINK_CREATE, .name = name, .key = mysql, .text = path};
	_cleanup_free_ char *made = NULL, *back = NULL, *gone = NULL, *failed = NULL, *moved = NULL;

	UNUSED(state);
	made = WORDS(word_change, &ch, links);
	assert_string_equal(made, "made /etc/vsmtp/plugins/a.so -> "
				  "/usr/lib/vsmtp/libvsmtp-plugin-mysql-1.0.0.so");
	ch.restored = true;
	back = WORDS(word_change, &ch, links);
	expect(back, "vsmtp-pluginctl disable mysql");
	ch = (struct change){.action = LINK_REMOVE, .name = hostile, .was = was, .why = mysql};
	gone = WORDS(word_change, &ch, links);
	assert_string_equal(gone, "removed /etc/vsmtp/plugins/" SHOWN " (led to /old.so): mysql");
	ch.result = CHANGE_FAILED;
	ch.error = ENOSPC;
	failed = WORDS(word_change, &ch, links);
	expect(failed, "not removed");
	expect(failed, "No space left on device");
	ch.result = CHANGE_MOVED;
	moved = WORDS(word_change, &ch, links);
	expect(moved, "next pass");
}

static void test_trouble_names_its_cause(void **state)
{
	struct world w;
	struct store_facts st = {.path = store, .error = EIO, .error_path = hostile};
	struct plan p = {0};
	_cleanup_free_ char *none = NULL, *unknown = NULL, *link = NULL;

	UNUSED(state);
	world_make(&w);
	none = WORDS(word_trouble, &w.c, &w.s, &p);
	assert_string_equal(none, "");
	w.s.stores = &st;
	w.s.n_stores = 1;
	p.not_known = true;
	unknown = WORDS(word_trouble, &w.c, &w.s, &p);
	expect(unknown, "/usr/lib/vsmtp is not known whole: " SHOWN ": Input/output error");
	expect(unknown, "no link is removed or changed, and no reload is asked for");
	p = (struct plan){.directory = PLAN_DIRECTORY_REFUSED};
	w.s.links.state = LINKS_SYMLINK;
	link = WORDS(word_trouble, &w.c, &w.s, &p);
	expect(link, "/etc/vsmtp/plugins is a symlink, which is refused");
}

static void test_owed_in_words(void **state)
{
	char detail[] = "a.so added", unit[] = "vsmtp.service";
	struct unit_facts u = {.name = unit, .state = UNIT_ACTIVE};

	UNUSED(state);
	for (enum owed_why y = 0; y < OWED_WHY_MAX; y++) {
		struct owed o = {.why = y, .detail = detail};
		_cleanup_free_ char *text = NULL;

		text = WORDS(word_owed, &u, &o);
		assert_int_equal(strstr(text, "a reload is owed") != NULL, owed_is(&o));
		assert_int_equal(strstr(text, detail) != NULL,
				 y == OWED_SET_CHANGED || y == OWED_NEWER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_in_words),
		cmocka_unit_test(test_remarks_name_file_line_key_and_what_holds),
		cmocka_unit_test(test_changes_in_words),
		cmocka_unit_test(test_trouble_names_its_cause),
		cmocka_unit_test(test_owed_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
