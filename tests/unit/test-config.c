/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "core/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool strv_eq(char *const *a, char *const *b)
{
	size_t n = strv_len(a);

	if (n != strv_len(b))
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

struct world {
	struct config config;
	struct config_remarks remarks;
};

static void world_done(struct world *w)
{
	config_done(&w->config);
	config_remarks_done(&w->remarks);
}

#define _cleanup_world_ _cleanup_(world_done)

static void add_len(struct world *w, const char *file, const char *text, size_t len)
{
	/* An exact copy, so that a byte read too many is seen. */
	_cleanup_free_ char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	assert_int_equal(config_parse(&w->config, file, copy, len, &w->remarks), 0);
}

static void add(struct world *w, const char *file, const char *text)
{
	add_len(w, file, text, strlen(text));
}

static struct world parse(const char *text)
{
	struct world w = {0};

	assert_int_equal(config_init(&w.config), 0);
	add(&w, "test.conf", text);
	assert_int_equal(config_finish(&w.config), 0);
	return w;
}

/* What stands in a file, not a sentence: nothing is escaped. */
_printf_(2, 3) static void add_raw(struct buf *b, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, format);
	assert_true(vasprintf(&text, format, ap) >= 0);
	va_end(ap);
	buf_add(b, text);
}

static struct world parse_main(const char *assignments)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;

	add_raw(&b, "[Plugind]\n%s\n", assignments);
	assert_int_equal(buf_take(&b, &text), 0);
	return parse(text);
}

static void check_remark(const struct config_remark *r, enum config_problem problem, unsigned line,
			 const char *key, const char *value, const char *used)
{
	assert_int_equal(r->problem, problem);
	assert_int_equal(r->line, line);
	if (!str_eq(r->key, key) || !str_eq(r->value, value) || !str_eq(r->used, used))
		fail_msg("line %u: %s=%s, used %s", line, r->key ? r->key : "-",
			 r->value ? r->value : "-", r->used ? r->used : "-");
	assert_string_equal(r->file, "test.conf");
	assert_int_equal(r->error, 0);
}

static void check_list(char *const *list, const char *words)
{
	_cleanup_strv_ char **wanted = NULL;

	assert_int_equal(strv_add_words(&wanted, words), 0);
	if (!strv_eq(list, wanted))
		fail_msg("first is %s, wanted %s", list ? list[0] : "none", words);
}

static void test_defaults(void **state)
{
	_cleanup_world_ struct world w = parse("");

	UNUSED(state);
	check_list(w.config.stores, "/usr/lib/vsmtp");
	assert_string_equal(w.config.links, "/etc/vsmtp/plugins");
	assert_string_equal(w.config.program, "/usr/sbin/vsmtp");
	assert_null(w.config.version);
	check_list(w.config.units, "vsmtp.service");
	assert_int_equal(w.config.action, ACTION_AUTO);
	assert_null(w.config.link_name);
	assert_int_equal(w.config.unversioned, UNVERSIONED_LINK);
	assert_int_equal(w.config.settle_usec, 100 * USEC_PER_MSEC);
	assert_int_equal(w.config.settle_max_usec, 2 * USEC_PER_SEC);
	assert_true(w.config.require_root_owned);
	assert_int_equal(w.config.n_plugins, 0);
	assert_int_equal(w.remarks.n, 0);
}

static void test_every_key(void **state)
{
	_cleanup_world_ struct world w = parse("[Plugind]\n"
					       "Store=/a /b/\n"
					       "Links=/l\n"
					       "Program=/p\n"
					       "Version=2.0.1~rc.1\n"
					       "Unit=one two.service three@x\n"
					       "Action=none\n"
					       "LinkName=x-%n\n"
					       "Unversioned=skip\n"
					       "SettleSec=1\n"
					       "SettleMaxSec=1min 30s\n"
					       "HoldMaxSec=0\n"
					       "RequireRootOwned=no\n"
					       "[Plugin my_sql]\n"
					       "Enabled=no\n"
					       "LinkName=sql\n"
					       "Version=1.0.0\n");
	const struct config_plugin *p = config_find_plugin(&w.config, "my-sql");

	UNUSED(state);
	assert_int_equal(w.remarks.n, 0);
	check_list(w.config.stores, "/a /b");
	assert_string_equal(w.config.links, "/l");
	assert_string_equal(w.config.program, "/p");
	assert_string_equal(w.config.version, "2.0.1-rc.1");
	check_list(w.config.units, "one.service two.service three@x.service");
	assert_int_equal(w.config.action, ACTION_NONE);
	assert_string_equal(w.config.link_name, "x-%n");
	assert_int_equal(w.config.unversioned, UNVERSIONED_SKIP);
	assert_int_equal(w.config.settle_usec, USEC_PER_SEC);
	assert_int_equal(w.config.settle_max_usec, 90 * USEC_PER_SEC);
	assert_int_equal(w.config.hold_max_usec, 0);
	assert_false(w.config.require_root_owned);
	assert_non_null(p);
	assert_string_equal(p->name, "my_sql");
	assert_int_equal(p->enabled, 0);
	assert_string_equal(p->link_name, "sql");
	assert_string_equal(p->version, "1.0.0");
}

/* What one would write for it is what holds without any configuration. */
static void test_every_default_may_be_written(void **state)
{
	static const char text[] = "[Plugind]\nStore=/usr/lib/vsmtp\nLinks=/etc/vsmtp/plugins\n"
				   "Program=/usr/sbin/vsmtp\nVersion=\nUnit=vsmtp.service\n"
				   "Action=auto\nLinkName=\nUnversioned=link\nSettleSec=100ms\n"
				   "SettleMaxSec=2s\nHoldMaxSec=30min\nRequireRootOwned=yes\n"
				   "[Plugin x]\nEnabled=yes\nLinkName=\nVersion=\n";
	_cleanup_world_ struct world w = parse(text), plain = parse("");

	UNUSED(state);
	assert_int_equal(w.remarks.n, 0);
	assert_true(strv_eq(w.config.stores, plain.config.stores));
	assert_true(strv_eq(w.config.units, plain.config.units));
	assert_string_equal(w.config.links, plain.config.links);
	assert_string_equal(w.config.program, plain.config.program);
	assert_null(w.config.version);
	assert_null(w.config.link_name);
	assert_int_equal(w.config.settle_usec, plain.config.settle_usec);
	assert_int_equal(w.config.settle_max_usec, plain.config.settle_max_usec);
	assert_int_equal(w.config.hold_max_usec, plain.config.hold_max_usec);
	assert_int_equal(w.config.plugins[0].enabled, 1);
}

static void test_last_assignment_wins(void **state)
{
	struct world w = {0};

	UNUSED(state);
	assert_int_equal(config_init(&w.config), 0);
	add(&w, "a", "[Plugind]\nLinks=/a\nLinks=/b\nStore=/s1\n[Plugin x]\nEnabled=no\n");
	add(&w, "b", "[Plugin x]\nVersion=1.0.0\n[Plugind]\nLinks=/c\nStore=/s2\n");
	assert_int_equal(config_finish(&w.config), 0);
	assert_int_equal(w.remarks.n, 0);
	assert_string_equal(w.config.links, "/c");
	check_list(w.config.stores, "/s1 /s2");
	assert_int_equal(w.config.n_plugins, 1);
	assert_int_equal(w.config.plugins[0].enabled, 0);
	assert_string_equal(w.config.plugins[0].version, "1.0.0");
	world_done(&w);
}

static void test_lists_add_up_and_empty_clears(void **state)
{
	static const struct {
		const char *text, *stores;
	} rows[] = {
		{"Store=/a\nStore=/b", "/a /b"},
		{"Store=/a  \t /b", "/a /b"},
		{"Store=/a\nStore=", "/usr/lib/vsmtp"},
		{"Store=/a\nStore=\nStore=/b", "/b"},
		{"Store=", "/usr/lib/vsmtp"},
		{"Store=/usr/lib/vsmtp/../x//y/.", "/usr/lib/x/y"},
		{"Store=/a /b /a/", "/a /b"},
		{"Store=/usr/lib/vsmtp \\\n  /b", "/usr/lib/vsmtp /b"},
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_world_ struct world w = parse_main(rows[i].text);

		assert_int_equal(w.remarks.n, 0);
		check_list(w.config.stores, rows[i].stores);
	}
}

static void test_empty_value_restores_the_default(void **state)
{
	_cleanup_world_ struct world w = parse("[Plugind]\n"
					       "Links=/l\nLinks=\n"
					       "Program=/p\nProgram= \n"
					       "Version=1.0.0\nVersion=\n"
					       "Action=none\nAction=\n"
					       "LinkName=x%n\nLinkName=\n"
					       "Unversioned=skip\nUnversioned=\n"
					       "SettleSec=9\nSettleSec=\n"
					       "SettleMaxSec=9\nSettleMaxSec=\n"
					       "RequireRootOwned=no\nRequireRootOwned=\n"
					       "[Plugin x]\nEnabled=no\nEnabled=\n"
					       "LinkName=y\nLinkName=\nVersion=1.0.0\nVersion=\n");

	UNUSED(state);
	assert_int_equal(w.remarks.n, 0);
	assert_string_equal(w.config.links, "/etc/vsmtp/plugins");
	assert_string_equal(w.config.program, "/usr/sbin/vsmtp");
	assert_null(w.config.version);
	assert_int_equal(w.config.action, ACTION_AUTO);
	assert_null(w.config.link_name);
	assert_int_equal(w.config.unversioned, UNVERSIONED_LINK);
	assert_int_equal(w.config.settle_usec, 100 * USEC_PER_MSEC);
	assert_int_equal(w.config.settle_max_usec, 2 * USEC_PER_SEC);
	assert_true(w.config.require_root_owned);
	assert_int_equal(w.config.plugins[0].enabled, -1);
	assert_null(w.config.plugins[0].link_name);
	assert_null(w.config.plugins[0].version);
}

static void test_bad_scalars_say_what_is_used(void **state)
{
	static const struct {
		const char *key, *value, *used;
	} rows[] = {
		{"Links", "etc/vsmtp/plugins", "/etc/vsmtp/plugins"},
		{"Links", "/", "/etc/vsmtp/plugins"},
		{"Links", "/x/..", "/etc/vsmtp/plugins"},
		{"Program", "vsmtp", "/usr/sbin/vsmtp"},
		{"Program", "\"/usr/sbin/vsmtp\"", "/usr/sbin/vsmtp"},
		{"Version", "2.2", NULL},
		{"Version", "v2.2.1", NULL},
		{"Version", "2.0.1_1", NULL},
		{"Action", "reload", "auto"},
		{"Action", "Auto", "auto"},
		{"Action", "none # comment", "auto"},
		{"LinkName", "x.so", NULL},
		{"LinkName", "a/%n", NULL},
		{"LinkName", ".%n", NULL},
		{"LinkName", "%n%", NULL},
		{"LinkName", "%n\x01", NULL},
		{"Unversioned", "yes", "link"},
		{"SettleSec", "soon", "100ms"},
		{"SettleSec", "-1", "100ms"},
		{"SettleMaxSec", "2x", "2s"},
		{"HoldMaxSec", "half an hour", "30min"},
		{"RequireRootOwned", "maybe", "yes"},
		{"RequireRootOwned", "2", "yes"},
		{"RequireRootOwned", "no no", "yes"},
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		_cleanup_free_ char *text = NULL;

		add_raw(&b, "%s=%s", rows[i].key, rows[i].value);
		assert_int_equal(buf_take(&b, &text), 0);

		_cleanup_world_ struct world w = parse_main(text);
		assert_int_equal(w.remarks.n, 1);
		check_remark(&w.remarks.items[0], CONFIG_BAD_VALUE, 2, rows[i].key, rows[i].value,
			     rows[i].used);
		assert_string_equal(w.remarks.items[0].section, "Plugind");
		assert_string_equal(w.config.links, "/etc/vsmtp/plugins");
		assert_string_equal(w.config.program, "/usr/sbin/vsmtp");
		assert_null(w.config.version);
		assert_null(w.config.link_name);
		assert_int_equal(w.config.action, ACTION_AUTO);
		assert_true(w.config.require_root_owned);
	}
}

/* Not what an earlier line said: one wrong line has one meaning. */
static void test_bad_value_means_the_default(void **state)
{
	_cleanup_world_ struct world w = parse_main("Unversioned=skip\nUnversioned=skipp\n"
						    "SettleSec=5\nSettleSec=5parsecs");

	UNUSED(state);
	assert_int_equal(w.remarks.n, 2);
	check_remark(&w.remarks.items[0], CONFIG_BAD_VALUE, 3, "Unversioned", "skipp", "link");
	assert_int_equal(w.config.unversioned, UNVERSIONED_LINK);
	check_remark(&w.remarks.items[1], CONFIG_BAD_VALUE, 5, "SettleSec", "5parsecs", "100ms");
	assert_int_equal(w.config.settle_usec, 100 * USEC_PER_MSEC);
}

static void test_bad_words_of_lists_are_passed_over(void **state)
{
	_cleanup_world_ struct world w =
		parse_main("Store=/a b /c\nStore=./d /\nUnit=\nUnit=a/b\n");

	UNUSED(state);
	check_list(w.config.stores, "/a /c");
	check_list(w.config.units, "vsmtp.service");
	assert_int_equal(w.remarks.n, 4);
	check_remark(&w.remarks.items[0], CONFIG_BAD_VALUE, 2, "Store", "b", "/a /c");
	check_remark(&w.remarks.items[1], CONFIG_BAD_VALUE, 3, "Store", "./d", "/a /c");
	check_remark(&w.remarks.items[2], CONFIG_BAD_VALUE, 3, "Store", "/", "/a /c");
	check_remark(&w.remarks.items[3], CONFIG_BAD_VALUE, 5, "Unit", "a/b", "vsmtp.service");
}

static void test_unit_names(void **state)
{
	static const struct {
		const char *word, *unit; /* NULL: bad */
	} rows[] = {
		{"vsmtp", "vsmtp.service"},
		{"vsmtp.service", "vsmtp.service"},
		{"vsmtp@in.service", "vsmtp@in.service"},
		{"vsmtp@in", "vsmtp@in.service"},
		{"mail-in_1:x\\x2dy", "mail-in_1:x\\x2dy.service"},
		{"vsmtp-2.2", "vsmtp-2.2.service"},
		{"vsmtp.socket", NULL},
		{"mail.target", NULL},
		{"vsmtp@.service", NULL},
		{"vsmtp@", NULL},
		{"@in.service", NULL},
		{".service", NULL},
		{"vsmtp*", NULL},
		{"vsmtp/x", NULL},
		{"\"vsmtp\"", NULL},
		{"vsmtp,other", NULL},
		{"caf\xc3\xa9", NULL},
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		_cleanup_free_ char *text = NULL;

		add_raw(&b, "Unit=%s", rows[i].word);
		assert_int_equal(buf_take(&b, &text), 0);

		_cleanup_world_ struct world w = parse_main(text);
		if (w.remarks.n != (rows[i].unit ? 0 : 1))
			fail_msg("%s", rows[i].word);
		check_list(w.config.units, rows[i].unit ? rows[i].unit : "vsmtp.service");
	}
}

static void test_booleans(void **state)
{
	static const char *const words[2][10] = {
		{"0", "no", "n", "false", "f", "off", "No", "OFF"},
		{"1", "yes", "y", "true", "t", "on", "Yes", "TRUE"},
	};

	UNUSED(state);
	for (int b = 0; b < 2; b++)
		for (size_t i = 0; words[b][i]; i++) {
			_cleanup_buf_ struct buf t = BUF_INIT;
			_cleanup_free_ char *text = NULL;

			add_raw(&t, "[Plugind]\nRequireRootOwned=%s\n[Plugin a]\nEnabled=%s\n",
				words[b][i], words[b][i]);
			assert_int_equal(buf_take(&t, &text), 0);

			_cleanup_world_ struct world w = parse(text);
			assert_int_equal(w.remarks.n, 0);
			assert_int_equal(w.config.require_root_owned, b);
			assert_int_equal(w.config.plugins[0].enabled, b);
		}
}

static void test_spans(void **state)
{
	static const struct {
		const char *text;
		uint64_t usec;
	} good[] = {
		{"0", 0},
		{"5", 5000000},
		{"100ms", 100000},
		{"100 ms", 100000},
		{"2s", 2000000},
		{"1min 30s", 90000000},
		{"1min30s", 90000000},
		{"2min200ms", 120200000},
		{" 1h ", 3600000000},
		{"1d 1w", 691200000000},
		{"1M", 2629800000000},
		{"1y", 31557600000000},
		{"1month", 2629800000000},
		{"7us", 7},
		{"7usec", 7},
		{"7\xc2\xb5s", 7},
		{"7\xce\xbcs", 7},
		{"1.5s", 1500000},
		{"1.5", 1500000},
		{".5s", 500000},
		{"0.1us", 0},
		{"5 3", 8000000},
		{"1s.5s", 1500000},
		{"3seconds", 3000000},
		{"2 hours", 7200000000},
		{"infinity", USEC_INFINITY},
		{" infinity ", USEC_INFINITY},
		{"18446744073709551614us", UINT64_MAX - 1},
		{"0000000000000000000000000000000000000000001s", 1000000},
	};
	static const char *const bad[] = {
		"",
		" ",
		"s",
		"-1",
		"+1",
		"1x",
		"1mins",
		"1S",
		"ms 1",
		"1.",
		"1.s",
		"1. 5s",
		".",
		"1.5.5",
		"1,5s",
		"1e3",
		"0x10",
		"infinityx",
		"infinity 1s",
		"1s infinity",
		"18446744073709551615us",
		"18446744073709551616us",
		"18446744073709551615s",
		"999999999999999999999999999999999999",
		"10000000y",
		"1s\n",
		"1s;",
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(good); i++) {
		uint64_t usec = 12345;

		if (config_parse_span(good[i].text, &usec) != 0 || usec != good[i].usec)
			fail_msg("`%s` is %llu", good[i].text, (unsigned long long)usec);
	}
	for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
		uint64_t usec = 12345;

		if (config_parse_span(bad[i], &usec) != -EINVAL || usec != 12345)
			fail_msg("`%s` is taken as %llu", bad[i], (unsigned long long)usec);
	}
}

static void test_lines_that_are_none(void **state)
{
	_cleanup_world_ struct world w = parse("Links=/early\n"
					       "[Plugind]\n"
					       "nonsense\n"
					       "=/x\n"
					       "links=/lower\n"
					       "Store[]=/x\n"
					       "\n"
					       "[plugind]\n"
					       "Links=/wrong\n"
					       "nonsense too\n"
					       "[Plugind\n"
					       "Links=/broken\n"
					       "[]\n"
					       "[ Plugind ]\n"
					       "[Plugind] # comment\n"
					       "Links=/after\n");

	UNUSED(state);
	assert_string_equal(w.config.links, "/etc/vsmtp/plugins");
	assert_int_equal(w.remarks.n, 11);
	check_remark(&w.remarks.items[0], CONFIG_NO_SECTION, 1, "Links", "/early", NULL);
	assert_null(w.remarks.items[0].section);
	check_remark(&w.remarks.items[1], CONFIG_NOT_A_LINE, 3, NULL, "nonsense", NULL);
	check_remark(&w.remarks.items[2], CONFIG_NOT_A_LINE, 4, NULL, "=/x", NULL);
	check_remark(&w.remarks.items[3], CONFIG_UNKNOWN_KEY, 5, "links", "/lower", NULL);
	check_remark(&w.remarks.items[4], CONFIG_UNKNOWN_KEY, 6, "Store[]", "/x", NULL);
	check_remark(&w.remarks.items[5], CONFIG_UNKNOWN_SECTION, 8, NULL, NULL, NULL);
	assert_string_equal(w.remarks.items[5].section, "plugind");
	check_remark(&w.remarks.items[6], CONFIG_NOT_A_LINE, 10, NULL, "nonsense too", NULL);
	check_remark(&w.remarks.items[7], CONFIG_NOT_A_LINE, 11, NULL, "[Plugind", NULL);
	check_remark(&w.remarks.items[8], CONFIG_UNKNOWN_SECTION, 13, NULL, NULL, NULL);
	check_remark(&w.remarks.items[9], CONFIG_UNKNOWN_SECTION, 14, NULL, NULL, NULL);
	check_remark(&w.remarks.items[10], CONFIG_NOT_A_LINE, 15, NULL, "[Plugind] # comment",
		     NULL);
}

static void test_the_rest_of_a_file_holds(void **state)
{
	_cleanup_world_ struct world w = parse_main("oops\nLinks=/l\nNo=1\nProgram=/p\n"
						    "Action=x\nVersion=1.0.0");

	UNUSED(state);
	assert_int_equal(w.remarks.n, 3);
	assert_string_equal(w.config.links, "/l");
	assert_string_equal(w.config.program, "/p");
	assert_string_equal(w.config.version, "1.0.0");
}

static void test_comments_and_blanks(void **state)
{
	_cleanup_world_ struct world w = parse("# Links=/a\n"
					       "; Links=/b\n"
					       "  # indented\n"
					       "#\n"
					       "  [Plugind]  \n"
					       "\t Links \t=\t /c d \t\n"
					       "Program=/p # no comment\n"
					       "   \n"
					       "LinkName=a=b;c#%n\n");

	UNUSED(state);
	assert_int_equal(w.remarks.n, 0);
	assert_string_equal(w.config.links, "/c d");
	assert_string_equal(w.config.program, "/p # no comment");
	assert_string_equal(w.config.link_name, "a=b;c#%n");
}

static void test_continued_lines(void **state)
{
	_cleanup_world_ struct world w = parse("[Plugind]\n"
					       "Store=/a \\\n"
					       "# a comment between is passed over\n"
					       "  ; and so is this \\\n"
					       "  /b\\\n"
					       "/c\n"
					       "Links=/with\\\\\n"
					       "Pro\\\n"
					       "gram=/x\n"
					       "Action=\\\n"
					       "bad\n"
					       "LinkName=\\\n"
					       "\n"
					       "Unversioned=skip\\");

	UNUSED(state);
	check_list(w.config.stores, "/a /b /c");
	assert_string_equal(w.config.links, "/with\\\\");
	assert_null(w.config.link_name);
	assert_int_equal(w.config.unversioned, UNVERSIONED_SKIP);
	/* The backslash becomes a blank, and the first line gives the number. */
	assert_int_equal(w.remarks.n, 2);
	check_remark(&w.remarks.items[0], CONFIG_UNKNOWN_KEY, 8, "Pro gram", "/x", NULL);
	check_remark(&w.remarks.items[1], CONFIG_BAD_VALUE, 10, "Action", "bad", "auto");
}

static void test_line_ends_and_bom(void **state)
{
	_cleanup_world_ struct world w = parse("\xef\xbb\xbf[Plugind]\r\n"
					       "Links=/l\r\n"
					       "Store=/a \\\r\n"
					       "  /b\r\n"
					       "Action=bad\r\n"
					       "Program=/p\rVersion=1.0.0");

	UNUSED(state);
	assert_string_equal(w.config.links, "/l");
	check_list(w.config.stores, "/a /b");
	assert_string_equal(w.config.program, "/p");
	assert_string_equal(w.config.version, "1.0.0");
	assert_int_equal(w.remarks.n, 1);
	check_remark(&w.remarks.items[0], CONFIG_BAD_VALUE, 5, "Action", "bad", "auto");
}

static void test_bom_only_at_the_start(void **state)
{
	_cleanup_world_ struct world w = parse("\n\xef\xbb\xbf[Plugind]\nLinks=/l\n");

	UNUSED(state);
	assert_int_equal(w.remarks.n, 2);
	assert_int_equal(w.remarks.items[0].problem, CONFIG_NOT_A_LINE);
	assert_string_equal(w.config.links, "/etc/vsmtp/plugins");
}

static void test_nul_bytes(void **state)
{
	static const char text[] = "[Plugind]\n"
				   "Links=/l\0x\n"
				   "Program=/p\n"
				   "# a comment may hold\0anything\n"
				   "[Plug\0ind]\n"
				   "Program=/q\n"
				   "[Plugin a]\n"
				   "\0\0\0\n"
				   "Enabled=no\n";
	struct world w = {0};

	UNUSED(state);
	assert_int_equal(config_init(&w.config), 0);
	add_len(&w, "test.conf", text, sizeof(text) - 1);
	assert_int_equal(config_finish(&w.config), 0);
	assert_int_equal(w.remarks.n, 3);
	check_remark(&w.remarks.items[0], CONFIG_NUL_BYTE, 2, NULL, "Links=/l", NULL);
	check_remark(&w.remarks.items[1], CONFIG_NUL_BYTE, 5, NULL, "[Plug", NULL);
	check_remark(&w.remarks.items[2], CONFIG_NUL_BYTE, 8, NULL, "", NULL);
	assert_string_equal(w.config.links, "/etc/vsmtp/plugins");
	assert_string_equal(w.config.program, "/p");
	assert_int_equal(w.config.plugins[0].enabled, 0);
	world_done(&w);
}

static void test_very_long_lines(void **state)
{
	size_t len = 1024 * 1024;
	_cleanup_free_ char *text = malloc(len + 1), *copy = NULL;

	UNUSED(state);
	assert_non_null(text);
	memset(text, 'x', len);
	text[len] = 0;
	copy = strdup(text);
	assert_non_null(copy);
	memcpy(copy, "[Plugind]\nLinks=/", 17);

	_cleanup_world_ struct world w = parse(copy), nothing = parse(text);
	assert_int_equal(w.remarks.n, 1);
	assert_int_equal(w.remarks.items[0].problem, CONFIG_BAD_VALUE);
	assert_int_equal(strlen(w.remarks.items[0].value), len - 16);
	assert_string_equal(w.config.links, "/etc/vsmtp/plugins");
	assert_int_equal(nothing.remarks.n, 1);
	assert_int_equal(nothing.remarks.items[0].problem, CONFIG_NOT_A_LINE);
}

static void test_other_bytes(void **state)
{
	_cleanup_world_ struct world w = parse_main("Links=/caf\xc3\xa9/\xff\n"
						    "Program=/x\x1b[31m\n");

	UNUSED(state);
	assert_int_equal(w.remarks.n, 0);
	assert_string_equal(w.config.links, "/caf\xc3\xa9/\xff");
	assert_string_equal(w.config.program, "/x\x1b[31m");
}

static void test_plugin_sections(void **state)
{
	_cleanup_world_ struct world w = parse("[Plugin zz]\nEnabled=no\n"
					       "[Plugin \t my_sql \t]\nVersion=1.0.0\n"
					       "[Plugin\tcsv]\n"
					       "[Plugin my-sql]\nEnabled=yes\n"
					       "[Plugin aa]\nLinkName=x-%n\n");

	UNUSED(state);
	assert_int_equal(w.remarks.n, 0);
	assert_int_equal(w.config.n_plugins, 4);
	assert_string_equal(w.config.plugins[0].key, "aa");
	assert_string_equal(w.config.plugins[0].link_name, "x-%n");
	assert_int_equal(w.config.plugins[0].enabled, -1);
	assert_string_equal(w.config.plugins[1].key, "csv");
	assert_string_equal(w.config.plugins[2].key, "my-sql");
	assert_string_equal(w.config.plugins[2].name, "my_sql");
	assert_string_equal(w.config.plugins[2].version, "1.0.0");
	assert_int_equal(w.config.plugins[2].enabled, 1);
	assert_string_equal(w.config.plugins[3].key, "zz");
	assert_ptr_equal(config_find_plugin(&w.config, "zz"), &w.config.plugins[3]);
	assert_null(config_find_plugin(&w.config, "my_sql"));
	assert_null(config_find_plugin(&w.config, "b"));
}

static void test_bad_plugin_sections(void **state)
{
	_cleanup_world_ struct world w = parse("[Plugin]\nEnabled=no\n"
					       "[Plugin  ]\nEnabled=no\n"
					       "[Plugin a.b]\nEnabled=no\n"
					       "[Plugin ../x]\nEnabled=no\n"
					       "[Plugin a b]\nEnabled=no\n"
					       "[Plugin \"a\"]\nEnabled=no\n"
					       "[Plugins a]\nEnabled=no\n"
					       "[plugin a]\nEnabled=no\n"
					       "[Plugin a]\nStore=/x\nEnabled=perhaps\n"
					       "LinkName=a/b\nVersion=x\n");
	static const char *const names[] = {"", "", "a.b", "../x", "a b", "\"a\""};

	UNUSED(state);
	assert_int_equal(w.remarks.n, 12);
	for (unsigned i = 0; i < 6; i++)
		check_remark(&w.remarks.items[i], CONFIG_BAD_PLUGIN, 2 * i + 1, NULL, names[i],
			     NULL);
	check_remark(&w.remarks.items[6], CONFIG_UNKNOWN_SECTION, 13, NULL, NULL, NULL);
	check_remark(&w.remarks.items[7], CONFIG_UNKNOWN_SECTION, 15, NULL, NULL, NULL);
	check_remark(&w.remarks.items[8], CONFIG_UNKNOWN_KEY, 18, "Store", "/x", NULL);
	check_remark(&w.remarks.items[9], CONFIG_BAD_VALUE, 19, "Enabled", "perhaps", "yes");
	check_remark(&w.remarks.items[10], CONFIG_BAD_VALUE, 20, "LinkName", "a/b", NULL);
	check_remark(&w.remarks.items[11], CONFIG_BAD_VALUE, 21, "Version", "x", NULL);
	assert_string_equal(w.remarks.items[11].section, "Plugin a");
	assert_int_equal(w.config.n_plugins, 1);
	assert_int_equal(w.config.plugins[0].enabled, -1);
}

static void test_rule_07_link_name_of_255_bytes(void **state)
{
	char name[253], text[1024];
	int n;

	UNUSED(state);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	n = snprintf(text, sizeof(text), "[Plugin %s]\nLinkName=%%n\n[Plugin %sn]\nLinkName=%%n\n",
		     name, name);
	assert_in_range(n, 1, sizeof(text) - 1);

	_cleanup_world_ struct world w = parse(text);
	assert_int_equal(w.config.n_plugins, 2);
	assert_string_equal(w.config.plugins[0].link_name, "%n");
	assert_null(w.config.plugins[1].link_name);
	assert_int_equal(w.remarks.n, 1);
	check_remark(&w.remarks.items[0], CONFIG_BAD_VALUE, 4, "LinkName", "%n", NULL);
}

static void test_remarks_copy(void **state)
{
	_cleanup_(config_remarks_done) struct config_remarks l = {0};
	char file[] = "a";

	UNUSED(state);
	for (int i = 0; i < 100; i++) {
		const struct config_remark r = {
			.problem = CONFIG_NOT_READ, .file = file, .error = i};

		assert_int_equal(config_remarks_add(&l, &r), 0);
	}
	file[0] = 'b';
	assert_int_equal(l.n, 100);
	for (int i = 0; i < 100; i++) {
		assert_string_equal(l.items[i].file, "a");
		assert_int_equal(l.items[i].error, i);
		assert_null(l.items[i].key);
	}
}

static void test_words_of_values(void **state)
{
	UNUSED(state);
	assert_string_equal(unversioned_to_string(UNVERSIONED_LINK), "link");
	assert_string_equal(unversioned_to_string(UNVERSIONED_SKIP), "skip");
	assert_null(unversioned_to_string(UNVERSIONED_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_every_default_may_be_written),
		cmocka_unit_test(test_last_assignment_wins),
		cmocka_unit_test(test_lists_add_up_and_empty_clears),
		cmocka_unit_test(test_empty_value_restores_the_default),
		cmocka_unit_test(test_bad_scalars_say_what_is_used),
		cmocka_unit_test(test_bad_value_means_the_default),
		cmocka_unit_test(test_bad_words_of_lists_are_passed_over),
		cmocka_unit_test(test_unit_names),
		cmocka_unit_test(test_booleans),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_lines_that_are_none),
		cmocka_unit_test(test_the_rest_of_a_file_holds),
		cmocka_unit_test(test_comments_and_blanks),
		cmocka_unit_test(test_continued_lines),
		cmocka_unit_test(test_line_ends_and_bom),
		cmocka_unit_test(test_bom_only_at_the_start),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_very_long_lines),
		cmocka_unit_test(test_other_bytes),
		cmocka_unit_test(test_plugin_sections),
		cmocka_unit_test(test_bad_plugin_sections),
		cmocka_unit_test(test_rule_07_link_name_of_255_bytes),
		cmocka_unit_test(test_remarks_copy),
		cmocka_unit_test(test_words_of_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
