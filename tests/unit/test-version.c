/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "core/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const valid[] = {
	"0.0.0",
	"0.0.4",
	"1.2.3",
	"10.20.30",
	"1.1.2-prerelease+meta",
	"1.1.2+meta",
	"1.1.2+meta-valid",
	"1.0.0-alpha",
	"1.0.0-beta",
	"1.0.0-alpha.beta.1",
	"1.0.0-alpha.1",
	"1.0.0-alpha0.valid",
	"1.0.0-alpha.0valid",
	"1.0.0-rc.1+build.1",
	"1.2.3-beta",
	"10.2.3-DEV-SNAPSHOT",
	"1.2.3----RC-SNAPSHOT.12.9.1--.12+788",
	"1.2.3----R-S.12.9.1--.12+meta",
	"1.0.0+0.build.1-rc.10000aaa-kk-0.1",
	"99999999999999999999999.999999999999999999.99999999999999999",
	"1.0.0-0A.is.legal",
	"1.0.0-0",
	"1.0.0--",
	"1.0.0-0-0",
	"1.0.0+001",
	"1.0.0+-",
	"2.0.1-rc.1",
};

static const char *const invalid[] = {
	"",
	"1",
	"1.2",
	"1.2.",
	"1..2",
	".1.2.3",
	"1.2.3.4",
	"1.2.3.",
	"1.2.3-",
	"1.2.3+",
	"1.2.3-+b",
	"1.2.3-a..b",
	"1.2.3-.a",
	"1.2.3-a.",
	"1.2.3+a..b",
	"1.2.3+a+b",
	"1.2.3-0123",
	"1.2.3-0123.0123",
	"1.2.3-a.00",
	"01.1.1",
	"1.01.1",
	"1.1.01",
	"00.0.0",
	"1.2-SNAPSHOT",
	"1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788",
	"-1.0.3-gamma+b7718",
	"+justmeta",
	"alpha.beta.1",
	"v1.2.3",
	"1.2.3 ",
	" 1.2.3",
	"1.2.3\n",
	"1.2.3-a_b",
	"1.2.3-\xc3\xa9",
	"1.2.3~rc.1",
	"1.2.3-a*",
	"+1.2.3",
	"1.-2.3",
	"\xd9\xa1.2.3", /* an Arabic digit */
};

static void test_rule_03_grammar(void **state)
{
	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(valid); i++)
		if (!version_is_valid(valid[i]))
			fail_msg("refused: %s", valid[i]);
	for (size_t i = 0; i < ELEMENTSOF(invalid); i++)
		if (version_is_valid(invalid[i]))
			fail_msg("taken: %s", invalid[i]);
	assert_true(version_is_valid_len("1.2.3.so", 5));
	assert_false(version_is_valid_len("1.2.3", 3));
	assert_false(version_is_valid_len("1.2.3\0", 6));
}

/* Each is lower than all that follow. */
static const char *const rising[] = {
	"0.0.0",
	"0.0.1-0",
	"0.0.1",
	"0.1.0",
	"1.0.0-0",
	"1.0.0-1",
	"1.0.0-9",
	"1.0.0-10",
	"1.0.0-18446744073709551615",
	"1.0.0-18446744073709551616",
	"1.0.0-99999999999999999999999999999999999998",
	"1.0.0-99999999999999999999999999999999999999",
	"1.0.0--",
	"1.0.0-0a",
	"1.0.0-A",
	"1.0.0-a",
	"1.0.0-alpha",
	"1.0.0-alpha.1",
	"1.0.0-alpha.1.0",
	"1.0.0-alpha.beta",
	"1.0.0-beta",
	"1.0.0-beta.2",
	"1.0.0-beta.11",
	"1.0.0-rc.1",
	"1.0.0-rc.9",
	"1.0.0-rc.10",
	"1.0.0-rc.10.a",
	"1.0.0-rc1",
	"1.0.0-rc10",
	"1.0.0-rc9",
	"1.0.0",
	"1.0.9",
	"1.0.10",
	"1.2.0",
	"1.10.0",
	"2.0.0",
	"10.0.0",
	"4294967296.0.0",
	"18446744073709551616.0.0",
	"99999999999999999999999999999999999999.0.0",
};

static void test_rule_03_precedence(void **state)
{
	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(rising); i++)
		for (size_t j = 0; j < ELEMENTSOF(rising); j++) {
			int c = version_compare(rising[i], rising[j]);
			int wanted = i < j ? -1 : i > j;

			if ((c > 0) - (c < 0) != wanted)
				fail_msg("%s against %s: %d", rising[i], rising[j], c);
			assert_int_equal(version_equal(rising[i], rising[j]), i == j);
		}
}

static void test_rule_03_build_metadata_is_ignored(void **state)
{
	static const char *const same[][2] = {
		{"1.0.0", "1.0.0+b"},
		{"1.0.0+a", "1.0.0+b"},
		{"1.0.0-rc.1", "1.0.0-rc.1+rc.2"},
		{"1.0.0+a-b", "1.0.0"},
		{"1.0.0+1-1", "1.0.0+2.0.0"},
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(same); i++) {
		assert_int_equal(version_compare(same[i][0], same[i][1]), 0);
		assert_int_equal(version_compare(same[i][1], same[i][0]), 0);
		assert_true(version_equal(same[i][0], same[i][1]));
	}
	assert_true(version_compare("1.0.0-rc.1", "1.0.0+a-b") < 0);
}

static void test_rule_03_unknown_sorts_first_and_equals_nothing(void **state)
{
	UNUSED(state);
	assert_true(version_compare(NULL, "0.0.0-0") < 0);
	assert_true(version_compare("0.0.0-0", NULL) > 0);
	assert_int_equal(version_compare(NULL, NULL), 0);
	assert_false(version_equal(NULL, NULL));
	assert_false(version_equal(NULL, "1.0.0"));
	assert_false(version_equal("1.0.0", NULL));
}

struct row {
	const char *text;
	const char *version; /* NULL: none */
};

static int from_name(const char *text, char **ret)
{
	if (!version_is_in_name(text, strlen(text)))
		return -EINVAL;
	*ret = strdup(text);
	if (strchr(*ret, '~'))
		*strchr(*ret, '~') = '-';
	return 0;
}

static void check_rows(const struct row *rows, size_t n, int (*parse)(const char *, char **))
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *got = NULL;
		int r = parse(rows[i].text, &got);

		if (r != (rows[i].version ? 0 : -EINVAL) || !str_eq(got, rows[i].version))
			fail_msg("`%s`: %d, %s, wanted %s", rows[i].text, r, got ? got : "none",
				 rows[i].version ? rows[i].version : "none");
	}
}

static void test_rule_03_version_in_a_name(void **state)
{
	static const struct row rows[] = {
		{"2.0.1", "2.0.1"},
		{"2.0.1-rc.1", "2.0.1-rc.1"},
		{"2.0.1~rc.1", "2.0.1-rc.1"},
		{"2.0.1~rc-1", "2.0.1-rc-1"},
		{"2.0.1~rc.1+b", "2.0.1-rc.1+b"},
		{"2.0.1+b", "2.0.1+b"},
		{"2.0.1-rc~1", NULL},
		{"2.0.1+b~1", NULL},
		{"2.0.1~rc~1", NULL},
		{"2.0.1~", NULL},
		{"~2.0.1", NULL},
		{"2.0~1.1", NULL},
		{"1:2.0.1", NULL},
		{"1:2.0.1~rc.1", NULL},
		{"2.0.1~rc.01", NULL},
		/* No revision in names: this is a pre-release called 1. */
		{"2.0.1-1", "2.0.1-1"},
		{"", NULL},
		{"v2.0.1", NULL},
	};

	UNUSED(state);
	check_rows(rows, ELEMENTSOF(rows), from_name);
	assert_true(version_is_in_name("1.0.0~rc.1.so", 10));
	assert_false(version_is_in_name("1.0.0\0x", 7));
}

static void test_rule_03_version_of_a_package(void **state)
{
	static const struct row rows[] = {
		{"2.2.1+really2.2.0-1", "2.2.0"},
		{"1:3.0.0~rc.1+really2.2.1-2", "2.2.1"},
		{"2.2.1+really-1", NULL},
		{"2.2.1", "2.2.1"},
		{"2.2.1-1", "2.2.1"},
		{"2.2.1-0ubuntu1~22.04.1", "2.2.1"},
		{"2.2.1-1.fc38", "2.2.1"},
		{"1:2.2.1-1", "2.2.1"},
		{"12:2.2.1", "2.2.1"},
		{"0:2.0.1~rc.1-1.el9", "2.0.1-rc.1"},
		{"2.0.1~rc.1", "2.0.1-rc.1"},
		{"2.0.1~rc.1-1~bpo12+1", "2.0.1-rc.1"},
		{"2.0.1~rc-1-2", "2.0.1-rc-1"},
		{"2.2.1+dfsg-1", "2.2.1+dfsg"},
		/* Always a package form: what follows the last `-` is the revision. */
		{"2.0.1-rc.1", "2.0.1"},
		{"2.0.1-rc.1-1", "2.0.1-rc.1"},
		{"2.2", NULL},
		{"2.2-1", NULL},
		{"2.2.1.1-1", NULL},
		{"2.2.1^git1-1", NULL},
		{"2.2.1~rc.1~x-1", NULL},
		{":2.2.1", NULL},
		{"a:2.2.1", NULL},
		{"1:2:2.2.1", NULL},
		{"", NULL},
		{"1:", NULL},
		{"-", NULL},
		{"2.2.1\n", NULL},
	};

	UNUSED(state);
	check_rows(rows, ELEMENTSOF(rows), version_from_package);
}

static void test_rule_05_version_of_the_configuration(void **state)
{
	static const struct row rows[] = {
		{"2.0.1", "2.0.1"},
		/* SemVer if it is one... */
		{"2.0.1-rc.1", "2.0.1-rc.1"},
		{"2.0.1-1", "2.0.1-1"},
		/* ...and a package form only with a mark of one. */
		{"2.0.1~rc.1", "2.0.1-rc.1"},
		{"2.0.1~rc.1-1", "2.0.1-rc.1"},
		{"1:2.0.1-1", "2.0.1"},
		{"2.0.1_1", NULL},
		{"2.0", NULL},
		{"v2.0.1", NULL},
		{"latest", NULL},
		{"~", NULL},
		{":", NULL},
		{"", NULL},
	};

	UNUSED(state);
	check_rows(rows, ELEMENTSOF(rows), version_from_config);
}

static void test_rule_05_answer_of_the_server(void **state)
{
	static const struct row rows[] = {
		{"vsmtp 1.2.1", "1.2.1"},
		{"vsmtp 1.2.1\n", "1.2.1"},
		{"vsmtp v2.2.1\ncommit: 0123456789abcdef0123456789abcdef01234567\n", "2.2.1"},
		{"vsmtp v2.2.1\r\ncommit: unknown\r\n", "2.2.1"},
		{"vsmtp v2.2.1\ncommit: \n", "2.2.1"},
		{"vsmtp 1.4.0-rc.10\n", "1.4.0-rc.10"},
		{"vsmtp\t 2.2.1 \n", "2.2.1"},
		{"vsmtp 2.2.1 (a build)\n", "2.2.1"},
		{"vsmtp vv2.2.1\n", NULL},
		{"vsmtp V2.2.1\n", NULL},
		{"vsmtp v 2.2.1\n", NULL},
		{"vsmtp 2.2.1~rc.1\n", NULL},
		{"vsmtp 2.2\n", NULL},
		{"vsmtp\n2.2.1\n", NULL},
		{"vsmtp \n2.2.1\n", NULL},
		{"vsmtp", NULL},
		{"vsmtp v", NULL},
		{"\nvsmtp 2.2.1\n", NULL},
		{"vsmtp-receiver 3.0.0\n", NULL},
		{"vqueue v2.2.1\n", NULL},
		{"VSMTP 2.2.1\n", NULL},
		{"vsmtp2.2.1\n", NULL},
		{"error: libssl.so.3\nvsmtp 2.2.1\n", NULL},
		{"vsmtp 2.2.1\rvsmtp 2.2.2", NULL},
		{"", NULL},
	};

	UNUSED(state);
	check_rows(rows, ELEMENTSOF(rows), version_from_answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_03_grammar),
		cmocka_unit_test(test_rule_03_precedence),
		cmocka_unit_test(test_rule_03_build_metadata_is_ignored),
		cmocka_unit_test(test_rule_03_unknown_sorts_first_and_equals_nothing),
		cmocka_unit_test(test_rule_03_version_in_a_name),
		cmocka_unit_test(test_rule_03_version_of_a_package),
		cmocka_unit_test(test_rule_05_version_of_the_configuration),
		cmocka_unit_test(test_rule_05_answer_of_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
