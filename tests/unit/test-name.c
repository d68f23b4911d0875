/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "core/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct row {
	const char *dir;
	const char *file;
	const char *name; /* NULL: no candidate */
	enum layout layout;
	enum name_problem problem;
	const char *file_version;
	const char *dir_version;
};

#define STEM_250 \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *w = &rows[i];
		struct name got = {0};
		_cleanup_free_ char *key = w->name ? name_key(w->name) : NULL;
		int r = name_parse(w->dir, w->file, &got);

		if (r != (w->name ? 1 : 0) || !str_eq(got.name, w->name) ||
		    got.layout != w->layout || got.problem != w->problem || !str_eq(got.key, key) ||
		    !str_eq(got.file_version, w->file_version) ||
		    !str_eq(got.dir_version, w->dir_version))
			fail_msg("%s %s: %d, %s, layout %d, problem %d, %s, %s",
				 w->dir ? w->dir : ".", w->file, r, got.name ? got.name : "none",
				 (int)got.layout, (int)got.problem,
				 got.file_version ? got.file_version : "-",
				 got.dir_version ? got.dir_version : "-");
		name_done(&got);
	}
}

static void test_rule_01_layout_a(void **state)
{
	static const struct row rows[] = {
		{NULL, "libvsmtp-plugin-mysql-1.0.0.so", "mysql", LAYOUT_A, 0, "1.0.0"},
		{NULL, "vsmtp-plugin-mysql-1.0.0.so", "mysql", LAYOUT_A, 0, "1.0.0"},
		{NULL, "libvsmtp_plugin_mysql-1.0.0.so", "mysql", LAYOUT_A, 0, "1.0.0"},
		{NULL, "libvsmtp-plugin_mysql-1.0.0.so", "mysql", LAYOUT_A, 0, "1.0.0"},
		{NULL, "vsmtp_plugin-mysql-1.0.0.so", "mysql", LAYOUT_A, 0, "1.0.0"},
		{NULL, "libvsmtp-plugin-my-sql-1.0.0.so", "my-sql", LAYOUT_A, 0, "1.0.0"},
		{NULL, "libvsmtp-plugin-my_sql-1.0.0.so", "my_sql", LAYOUT_A, 0, "1.0.0"},
		{NULL, "libvsmtp-plugin-base-64-1.0.0.so", "base-64", LAYOUT_A, 0, "1.0.0"},
		{NULL, "libvsmtp-plugin-2fa-1.0.0.so", "2fa", LAYOUT_A, 0, "1.0.0"},
		{NULL, "libvsmtp-plugin-a-2.0.1-rc.1.so", "a", LAYOUT_A, 0, "2.0.1-rc.1"},
		{NULL, "libvsmtp-plugin-a-2.0.1~rc.1.so", "a", LAYOUT_A, 0, "2.0.1-rc.1"},
		{NULL, "libvsmtp-plugin-a-1.0.0+b.so", "a", LAYOUT_A, 0, "1.0.0+b"},
		/* The first `-` after which all is a version, not the last. */
		{NULL, "libvsmtp-plugin-a-1.0.0-2.0.0.so", "a", LAYOUT_A, 0, "1.0.0-2.0.0"},
		{NULL, "libvsmtp-plugin-a-1.0.0-b-1.0.0.so", "a", LAYOUT_A, 0, "1.0.0-b-1.0.0"},
		{NULL, "libvsmtp-plugin-a--1.0.0.so", "a-", LAYOUT_A, 0, "1.0.0"},
	};

	UNUSED(state);
	check_rows(rows, ELEMENTSOF(rows));
}

static void test_rule_01_layout_b(void **state)
{
	static const struct row rows[] = {
		{"2.2.1", "libvsmtp_plugin_mysql.so", "mysql", LAYOUT_B, 0, NULL, "2.2.1"},
		{"2.2.1", "vsmtp-plugin-mysql.so", "mysql", LAYOUT_B, 0, NULL, "2.2.1"},
		{"2.0.1-rc.1", "libvsmtp_plugin_a_b.so", "a_b", LAYOUT_B, 0, NULL, "2.0.1-rc.1"},
		{"2.0.1~rc.1", "libvsmtp_plugin_a.so", "a", LAYOUT_B, 0, NULL, "2.0.1-rc.1"},
		{"2.2.1", "libvsmtp_plugin_.so", "libvsmtp_plugin_", LAYOUT_B, NAME_EMPTY, NULL,
		 "2.2.1"},
		{"2.2.1", "libvsmtp_plugin_a.b.so", "libvsmtp_plugin_a.b", LAYOUT_B,
		 NAME_BAD_CHARACTER, NULL, "2.2.1"},
		/* Only directories that are a version; only files with the prefix. */
		{"2.2", "libvsmtp_plugin_mysql.so"},
		{"v2.2.1", "libvsmtp_plugin_mysql.so"},
		{"", "libvsmtp_plugin_mysql.so"},
		{"2.2.1", "mysql.so"},
		{"2.2.1", "lib-plugin.so"},
		{"2.2.1", ".libvsmtp_plugin_mysql.so"},
		{"2.2.1", "libvsmtp_plugin_mysql.so.dpkg-new"},
	};

	UNUSED(state);
	check_rows(rows, ELEMENTSOF(rows));
}

static void test_rule_02_directory_and_file_both_count(void **state)
{
	static const struct row rows[] = {
		{"2.2.1", "libvsmtp_plugin_a-2.2.1.so", "a", LAYOUT_B, 0, "2.2.1", "2.2.1"},
		{"2.2.1", "libvsmtp_plugin_a-1.0.0.so", "a", LAYOUT_B, 0, "1.0.0", "2.2.1"},
		{"2.2.1", "libvsmtp_plugin_a-1.0.so", "libvsmtp_plugin_a-1.0", LAYOUT_B,
		 NAME_BAD_VERSION, NULL, "2.2.1"},
	};

	UNUSED(state);
	check_rows(rows, ELEMENTSOF(rows));
}

static void test_rule_01_layout_c(void **state)
{
	static const struct row rows[] = {
		{NULL, "lib-plugin.so", "lib-plugin", LAYOUT_C},
		{NULL, "mysql.so", "mysql", LAYOUT_C},
		{NULL, "libvsmtp_plugin_mysql.so", "mysql", LAYOUT_C},
		{NULL, "libvsmtp-plugin-csv.so", "csv", LAYOUT_C},
		{NULL, "vsmtp-plugin-csv.so", "csv", LAYOUT_C},
		{NULL, "libvsmtp_plugin_base_64.so", "base_64", LAYOUT_C},
		{NULL, "libvsmtp-plugins.so", "libvsmtp-plugins", LAYOUT_C},
		{NULL, "libvsmtp-plug.so", "libvsmtp-plug", LAYOUT_C},
		{NULL, "libvsmtp.so", "libvsmtp", LAYOUT_C},
		{NULL, "LIBVSMTP-PLUGIN-A.so", "LIBVSMTP-PLUGIN-A", LAYOUT_C},
		{NULL, "liblibvsmtp-plugin-a.so", "liblibvsmtp-plugin-a", LAYOUT_C},
		{NULL, "mysql-8.so", "mysql-8", LAYOUT_C},
		{NULL, STEM_250 "ab.so", STEM_250 "ab", LAYOUT_C},
		{NULL, "my.sql.so", "my.sql", LAYOUT_C, NAME_BAD_CHARACTER},
		{NULL, "mysql-1.0.0.so", "mysql-1.0.0", LAYOUT_C, NAME_BAD_CHARACTER},
		{NULL, "_mysql.so", "_mysql", LAYOUT_C, NAME_BAD_CHARACTER},
		{NULL, "-mysql.so", "-mysql", LAYOUT_C, NAME_BAD_CHARACTER},
		{NULL, "my sql.so", "my sql", LAYOUT_C, NAME_BAD_CHARACTER},
		{NULL, "my\nsql.so", "my\nsql", LAYOUT_C, NAME_BAD_CHARACTER},
		{NULL, "my\x1bsql.so", "my\x1bsql", LAYOUT_C, NAME_BAD_CHARACTER},
		{NULL, "caf\xc3\xa9.so", "caf\xc3\xa9", LAYOUT_C, NAME_BAD_CHARACTER},
		{NULL, "\xff\xfe.so", "\xff\xfe", LAYOUT_C, NAME_BAD_CHARACTER},
		{NULL, "a.dpkg-new.so", "a.dpkg-new", LAYOUT_C, NAME_BAD_CHARACTER},
	};

	UNUSED(state);
	check_rows(rows, ELEMENTSOF(rows));
}

static void test_rule_01_near_misses(void **state)
{
#define PREFIX "libvsmtp-plugin"
	static const struct row rows[] = {
		{NULL, PREFIX "-foo-1.0.so", PREFIX "-foo-1.0", LAYOUT_C, NAME_BAD_VERSION},
		{NULL, PREFIX "-foo-1.so", PREFIX "-foo-1", LAYOUT_C, NAME_BAD_VERSION},
		{NULL, PREFIX "-foo-01.0.0.so", PREFIX "-foo-01.0.0", LAYOUT_C, NAME_BAD_VERSION},
		{NULL, PREFIX "-foo-1.0.0.1.so", PREFIX "-foo-1.0.0.1", LAYOUT_C, NAME_BAD_VERSION},
		{NULL, PREFIX "-a-b-1.0.so", PREFIX "-a-b-1.0", LAYOUT_C, NAME_BAD_VERSION},
		{NULL, PREFIX "-foo-1:1.0.0.so", PREFIX "-foo-1:1.0.0", LAYOUT_C, NAME_BAD_VERSION},
		{NULL, PREFIX "-foo-1.0.0-rc~1.so", PREFIX "-foo-1.0.0-rc~1", LAYOUT_C,
		 NAME_BAD_VERSION},
		{NULL, PREFIX ".so", PREFIX, LAYOUT_C, NAME_EMPTY},
		{NULL, PREFIX "-.so", PREFIX "-", LAYOUT_C, NAME_EMPTY},
		{NULL, PREFIX "_.so", PREFIX "_", LAYOUT_C, NAME_EMPTY},
		{NULL, "vsmtp_plugin.so", "vsmtp_plugin", LAYOUT_C, NAME_EMPTY},
		{NULL, PREFIX "-1.0.0.so", PREFIX "-1.0.0", LAYOUT_C, NAME_EMPTY},
		{NULL, PREFIX "-1.0.0~rc.1.so", PREFIX "-1.0.0~rc.1", LAYOUT_C, NAME_EMPTY},
		{NULL, PREFIX "--1.0.0.so", PREFIX "--1.0.0", LAYOUT_A, NAME_EMPTY, "1.0.0"},
		{NULL, PREFIX "--1.0.so", PREFIX "--1.0", LAYOUT_C, NAME_EMPTY},
		{NULL, PREFIX "-a.b-1.0.0.so", PREFIX "-a.b-1.0.0", LAYOUT_A, NAME_BAD_CHARACTER,
		 "1.0.0"},
		{NULL, PREFIX "-a.b-1.0.so", PREFIX "-a.b-1.0", LAYOUT_C, NAME_BAD_CHARACTER},
		{NULL, PREFIX "-_a.so", PREFIX "-_a", LAYOUT_C, NAME_BAD_CHARACTER},
	};

	UNUSED(state);
	check_rows(rows, ELEMENTSOF(rows));
}

static void test_rule_01_work_files_are_no_candidates(void **state)
{
	static const struct row rows[] = {
		{NULL, "libvsmtp-plugin-a-1.0.0.so.dpkg-new"},
		{NULL, "libvsmtp-plugin-a-1.0.0.so.dpkg-tmp"},
		{NULL, "libvsmtp-plugin-a-1.0.0.so.dpkg-old"},
		{NULL, "libvsmtp-plugin-a-1.0.0.so;6b021c66"},
		{NULL, "a.so;6b021c66"},
		{NULL, "x.so.1"},
		{NULL, "x.so~"},
		{NULL, "x.so.bak"},
		{NULL, "x.SO"},
		{NULL, "xso"},
		{NULL, ".so"},
		{NULL, ".x.so"},
		{NULL, ".libvsmtp-plugin-a-1.0.0.so"},
		{NULL, "so"},
		{NULL, ""},
		{NULL, "README"},
	};

	UNUSED(state);
	check_rows(rows, ELEMENTSOF(rows));
}

static void test_rule_01_version_directories(void **state)
{
	UNUSED(state);
	assert_true(name_is_version_dir("2.2.1"));
	assert_true(name_is_version_dir("2.0.1-rc.1"));
	assert_true(name_is_version_dir("2.0.1~rc.1"));
	assert_false(name_is_version_dir("2.2"));
	assert_false(name_is_version_dir("1:2.2.1"));
	assert_false(name_is_version_dir("v2.2.1"));
	assert_false(name_is_version_dir(""));
	assert_false(name_is_version_dir(".."));
}

static void test_rule_01_names_and_keys(void **state)
{
	_cleanup_free_ char *a = name_key("my_sql-2"), *b = name_key("my-sql_2");

	UNUSED(state);
	assert_string_equal(a, "my-sql-2");
	assert_string_equal(a, b);
	assert_true(name_is_valid("mysql"));
	assert_true(name_is_valid("2fa"));
	assert_true(name_is_valid("a-_"));
	assert_false(name_is_valid(""));
	assert_false(name_is_valid("-a"));
	assert_false(name_is_valid("_a"));
	assert_false(name_is_valid("a.b"));
	assert_false(name_is_valid("a b"));
	assert_false(name_is_valid("a/b"));
	assert_false(name_is_valid("\xc3\xa9"));
}

static void test_rule_07_templates(void **state)
{
	static const struct {
		const char *template, *name, *link; /* NULL: bad */
	} rows[] = {
		{"%n", "a", "a.so"},
		{"%n.so", "a", "a.so"},
		{"libvsmtp_plugin_%n", "a-b", "libvsmtp_plugin_a-b.so"},
		{"%n-%n", "a", "a-a.so"},
		{"%%%n", "a", "%a.so"},
		{"%%n", "a", "%n.so"},
		{"x", "a", "x.so"},
		{"x.so", "a", "x.so"},
		{"x.so.", "a", "x.so..so"},
		{"x.SO", "a", "x.SO.so"},
		{"%n.s", "o", "o.s.so"},
		{"a b", "a", "a b.so"},
		{STEM_250 "ab", "a", STEM_250 "ab.so"},
		{STEM_250 "ab.so", "a", STEM_250 "ab.so"},
		{STEM_250 "abc", "a", NULL},
		{STEM_250 "%n", "ab", STEM_250 "ab.so"},
		{STEM_250 "%n", "abc", NULL},
		{"", "a", NULL},
		{".so", "a", NULL},
		{".%n", "a", NULL},
		{"..", "a", NULL},
		{"a/%n", "a", NULL},
		{"/%n", "a", NULL},
		{"%", "a", NULL},
		{"%n%", "a", NULL},
		{"%x", "a", NULL},
		{"%N", "a", NULL},
		{"a\n%n", "a", NULL},
		{"a\x7f%n", "a", NULL},
		{"\x01%n", "a", NULL},
		{"%n", "", NULL},
		{"%n", "../a", NULL},
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *link = NULL;
		int r = name_expand_template(rows[i].template, rows[i].name, &link);

		if (r != (rows[i].link ? 0 : -EINVAL) || !str_eq(link, rows[i].link))
			fail_msg("%s with %s: %d, %s", rows[i].template, rows[i].name, r,
				 link ? link : "none");
	}
}

static void test_rule_07_templates_are_checked(void **state)
{
	static const struct {
		const char *template;
		bool plugin, general;
	} rows[] = {
		{"%n", true, true},
		{"x-%n.so", true, true},
		{"x.so", true, false},
		{"%%n", true, false},
		{"%%%n", true, true},
		{"%%%%n", true, false},
		{"", false, false},
		{".x%n", false, false},
		{"%n/x", false, false},
		{"%n%", false, false},
		{"%n\t", false, false},
		{STEM_250 "a%n", true, true},
		{STEM_250 "ab%n", false, false},
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		const char *t = rows[i].template;

		if (name_check_template(t, NAME_TEMPLATE_PLUGIN) != (rows[i].plugin ? 0 : -EINVAL))
			fail_msg("%s for a plugin", t);
		if (name_check_template(t, NAME_TEMPLATE_GENERAL) !=
		    (rows[i].general ? 0 : -EINVAL))
			fail_msg("%s in general", t);
	}
}

static void check_default_link(const char *dir, const char *file, const char *wanted)
{
	_cleanup_(pool_done) struct pool memory = {0};
	struct name n;

	assert_int_equal(name_parse(dir, file, &n), 1);
	assert_string_equal(name_default_link(&n, file, &memory), wanted);
	if (!dir) /* a link of that name is taken for one of the plugin */
		assert_true(name_names(wanted, n.key));
	assert_false(name_names(wanted, "another"));
	name_done(&n);
}

static void test_rule_07_default_link_by_layout(void **state)
{
	UNUSED(state);
	check_default_link(NULL, "libvsmtp-plugin-mysql-1.0.0.so", "vsmtp-plugin-mysql.so");
	check_default_link(NULL, "libvsmtp_plugin_my_sql-1.0.0.so", "vsmtp-plugin-my_sql.so");
	check_default_link("2.2.1", "libvsmtp_plugin_mysql.so", "libvsmtp_plugin_mysql.so");
	check_default_link("2.2.1", "vsmtp-plugin-mysql.so", "vsmtp-plugin-mysql.so");
	check_default_link(NULL, "lib-plugin.so", "lib-plugin.so");
	check_default_link(NULL, "libvsmtp_plugin_mysql.so", "libvsmtp_plugin_mysql.so");
}

static void test_rule_08_paths_are_lexical(void **state)
{
	static const struct {
		const char *base, *target, *path;
	} rows[] = {
		{"/etc/vsmtp/plugins", "/usr/lib/vsmtp/a.so", "/usr/lib/vsmtp/a.so"},
		{"/etc/vsmtp/plugins", "../../../usr/lib/vsmtp/a.so", "/usr/lib/vsmtp/a.so"},
		{"/etc/vsmtp/plugins", "a.so", "/etc/vsmtp/plugins/a.so"},
		{"/etc/vsmtp/plugins/", "./a.so", "/etc/vsmtp/plugins/a.so"},
		{"/", "//usr///lib/./vsmtp/../vsmtp/a.so/", "/usr/lib/vsmtp/a.so"},
		{"/", "/usr/lib/vsmtp/..", "/usr/lib"},
		{"/", "/../../..", "/"},
		{"/a", "..", "/"},
		{"/a", "../../..", "/"},
		{"/a/b", "", "/a/b"},
		{"/", "", "/"},
		{"/a", ".../..a/a..", "/a/.../..a/a.."},
		{"/a/../b/./c", "d", "/b/c/d"},
		{"/etc", "a\nb", "/etc/a\nb"},
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *path = NULL;

		assert_int_equal(path_normalize(rows[i].base, rows[i].target, &path), 0);
		assert_string_equal(path, rows[i].path);
	}
}

static void test_rule_08_strictly_below(void **state)
{
	UNUSED(state);
	assert_string_equal(path_below("/usr/lib/vsmtp/a.so", "/usr/lib/vsmtp"), "a.so");
	assert_string_equal(path_below("/usr/lib/vsmtp/1.0.0/a.so", "/usr/lib/vsmtp"),
			    "1.0.0/a.so");
	assert_null(path_below("/usr/lib/vsmtp", "/usr/lib/vsmtp"));
	assert_null(path_below("/usr/lib/vsmtp/", "/usr/lib/vsmtp"));
	assert_null(path_below("/usr/lib/vsmtp-old/a.so", "/usr/lib/vsmtp"));
	assert_null(path_below("/usr/lib/vsmt", "/usr/lib/vsmtp"));
	assert_null(path_below("/usr/local/lib/vsmtp/a.so", "/usr/lib/vsmtp"));
	assert_string_equal(path_below("/a.so", "/"), "a.so");
	assert_null(path_below("/", "/"));
}

static void test_rule_14_temporary_names(void **state)
{
	UNUSED(state);
	assert_true(name_is_temporary(".vsmtp-plugind-a1B2c3"));
	assert_false(name_is_temporary(".vsmtp-plugind"));
	assert_false(name_is_temporary(".vsmtp-plugind-"));
	assert_false(name_is_temporary("vsmtp-plugind-a1B2c3"));
	assert_false(name_is_temporary("x.vsmtp-plugind-a1B2c3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_01_layout_a),
		cmocka_unit_test(test_rule_01_layout_b),
		cmocka_unit_test(test_rule_02_directory_and_file_both_count),
		cmocka_unit_test(test_rule_01_layout_c),
		cmocka_unit_test(test_rule_01_near_misses),
		cmocka_unit_test(test_rule_01_work_files_are_no_candidates),
		cmocka_unit_test(test_rule_01_version_directories),
		cmocka_unit_test(test_rule_01_names_and_keys),
		cmocka_unit_test(test_rule_07_templates),
		cmocka_unit_test(test_rule_07_templates_are_checked),
		cmocka_unit_test(test_rule_07_default_link_by_layout),
		cmocka_unit_test(test_rule_08_paths_are_lexical),
		cmocka_unit_test(test_rule_08_strictly_below),
		cmocka_unit_test(test_rule_14_temporary_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
