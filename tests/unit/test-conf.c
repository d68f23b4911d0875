/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "sys/conf.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ETC "/etc/vsmtp-plugind"
#define RUN "/run/vsmtp-plugind"
#define LIB "/usr/lib/vsmtp-plugind"

struct world {
	char dir[64];
	struct root root;
	struct config config;
	struct config_remarks remarks;
};

static char *path_of(const struct world *w, const char *path)
{
	char *full;

	assert_true(asprintf(&full, "%s%s", w->dir, path) > 0);
	return full;
}

static void make_parents(const struct world *w, const char *path)
{
	_cleanup_free_ char *full = path_of(w, path);

	for (char *p = full + strlen(w->dir) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
		*p = '/';
	}
}

static void put(const struct world *w, const char *path, const char *text)
{
	_cleanup_free_ char *full = path_of(w, path);
	_cleanup_fclose_ FILE *f = NULL;

	make_parents(w, path);
	f = fopen(full, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
}

static void put_link(const struct world *w, const char *path, const char *target)
{
	_cleanup_free_ char *full = path_of(w, path);

	make_parents(w, path);
	assert_int_equal(symlink(target, full), 0);
}

static char *slurp(const struct world *w, const char *path)
{
	char *text = NULL;
	size_t len;

	return fs_read(&w->root, path, 4096, &text, &len) < 0 ? NULL : text;
}

static void world_make(struct world *w)
{
	*w = (struct world){.dir = "/tmp/test-conf-XXXXXX"};
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(root_open(w->dir, &w->root), 0);
}

static void forget(struct world *w)
{
	config_done(&w->config);
	config_remarks_done(&w->remarks);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	UNUSED(st);
	UNUSED(type);
	UNUSED(ftw);
	return remove(path);
}

static void world_done(struct world *w)
{
	forget(w);
	root_done(&w->root);
	assert_int_equal(nftw(w->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void load(struct world *w)
{
	forget(w);
	assert_int_equal(conf_load(&w->root, &w->config, &w->remarks), 0);
}

static void check_links(struct world *w, const char *links, size_t remarks)
{
	load(w);
	assert_string_equal(w->config.links, links);
	assert_int_equal(w->remarks.n, remarks);
}

static void test_nothing_there_is_the_defaults(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	check_links(&w, "/etc/vsmtp/plugins", 0);
	assert_string_equal(w.config.stores[0], "/usr/lib/vsmtp");
	world_done(&w);
}

static void test_first_main_file_only(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	put(&w, LIB "/plugind.conf", "[Plugind]\nLinks=/lib\nProgram=/lib\n");
	check_links(&w, "/lib", 0);
	put(&w, ETC "/plugind.conf", "[Plugind]\nLinks=/etc\n");
	check_links(&w, "/etc", 0);
	assert_string_equal(w.config.program, "/usr/sbin/vsmtp");
	world_done(&w);
}

static void test_drop_ins_beat_the_main_file_in_order_of_name(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	put(&w, ETC "/plugind.conf", "[Plugind]\nLinks=/main\nStore=/main\n");
	put(&w, LIB "/plugind.conf.d/20-b.conf", "[Plugind]\nLinks=/b\nStore=/b\n");
	check_links(&w, "/b", 0);
	/* By name alone: the directory's weight only decides about equal names. */
	put(&w, ETC "/plugind.conf.d/10-a.conf", "[Plugind]\nLinks=/a\nStore=/a\n");
	check_links(&w, "/b", 0);
	assert_int_equal(strv_len(w.config.stores), 3);
	assert_string_equal(w.config.stores[0], "/main");
	assert_string_equal(w.config.stores[1], "/a");
	assert_string_equal(w.config.stores[2], "/b");
	put(&w, ETC "/plugind.conf.d/30-d.conf", "[Plugind]\nLinks=/d\nStore=/d\n");
	check_links(&w, "/d", 0);
	assert_string_equal(w.config.stores[3], "/d");
	world_done(&w);
}

static void test_same_name_masks(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	put(&w, LIB "/plugind.conf.d/10-a.conf", "[Plugind]\nLinks=/lib\nProgram=/lib\n");
	put(&w, ETC "/plugind.conf.d/10-a.conf", "[Plugind]\nLinks=/etc\n");
	check_links(&w, "/etc", 0);
	assert_string_equal(w.config.program, "/usr/sbin/vsmtp");
	put(&w, ETC "/plugind.conf.d/10-a.conf", "");
	check_links(&w, "/etc/vsmtp/plugins", 0);
	/* The device itself is not in this tree: the text decides. */
	put(&w, LIB "/plugind.conf.d/20-b.conf", "[Plugind]\nLinks=/b\n");
	put_link(&w, ETC "/plugind.conf.d/20-b.conf", "/dev/null");
	check_links(&w, "/etc/vsmtp/plugins", 0);
	put(&w, LIB "/plugind.conf", "[Plugind]\nLinks=/main\n");
	put_link(&w, ETC "/plugind.conf", "../../dev/null");
	check_links(&w, "/etc/vsmtp/plugins", 0);
	world_done(&w);
}

static void test_other_names_are_not_read(void **state)
{
	static const char *const names[] = {
		".hidden.conf", "10-a.conf.dpkg-new", "10-a.conf~", "10-a", "README", "10-a.CONF"};
	struct world w;

	UNUSED(state);
	world_make(&w);
	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		_cleanup_free_ char *path = NULL;

		assert_true(asprintf(&path, ETC "/plugind.conf.d/%s", names[i]) > 0);
		put(&w, path, "[Plugind]\nLinks=/wrong\n");
	}
	put(&w, ETC "/other.conf", "[Plugind]\nLinks=/wrong\n");
	check_links(&w, "/etc/vsmtp/plugins", 0);
	world_done(&w);
}

static void test_not_regular_is_said_and_passed_over(void **state)
{
	struct world w;
	_cleanup_free_ char *fifo = NULL;

	UNUSED(state);
	world_make(&w);
	put(&w, LIB "/plugind.conf", "[Plugind]\nLinks=/lib\n");
	put(&w, ETC "/plugind.conf/x", "");
	put(&w, ETC "/plugind.conf.d/10-dir.conf/x", "");
	put(&w, ETC "/plugind.conf.d/30-last.conf", "[Plugind]\nProgram=/p\n");
	fifo = path_of(&w, ETC "/plugind.conf.d/20-fifo.conf");
	assert_int_equal(mkfifo(fifo, 0644), 0);
	check_links(&w, "/lib", 3);
	assert_string_equal(w.config.program, "/p");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(w.remarks.items[i].problem, CONFIG_NOT_REGULAR);
		assert_int_equal(w.remarks.items[i].line, 0);
	}
	assert_string_equal(w.remarks.items[0].file, ETC "/plugind.conf");
	assert_string_equal(w.remarks.items[1].file, ETC "/plugind.conf.d/10-dir.conf");
	assert_string_equal(w.remarks.items[2].file, ETC "/plugind.conf.d/20-fifo.conf");
	world_done(&w);
}

static void test_what_cannot_be_read_is_said(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	put_link(&w, ETC "/plugind.conf", "nowhere");
	put_link(&w, ETC "/plugind.conf.d/10-loop.conf", "10-loop.conf");
	put(&w, LIB "/plugind.conf.d/10-loop.conf", "[Plugind]\nLinks=/masked\n");
	check_links(&w, "/etc/vsmtp/plugins", 2);
	assert_false(w.config.not_known);
	assert_int_equal(w.remarks.items[0].problem, CONFIG_LEADS_NOWHERE);
	assert_int_equal(w.remarks.items[0].error, ENOENT);
	assert_string_equal(w.remarks.items[0].file, ETC "/plugind.conf");
	assert_int_equal(w.remarks.items[1].error, ELOOP);
	world_done(&w);
	world_make(&w);
	put(&w, LIB "/plugind.conf.d", "a file where a directory should be\n");
	check_links(&w, "/etc/vsmtp/plugins", 1);
	assert_int_equal(w.remarks.items[0].error, ENOTDIR);
	assert_string_equal(w.remarks.items[0].file, LIB "/plugind.conf.d");
	assert_false(w.config.not_known);
	world_done(&w);
}

/* A Program= there would be run by the start hook, with every privilege. */
static void test_rule_12_no_configuration_where_a_daemon_may_write(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	put(&w, RUN "/plugind.conf", "[Plugind]\nProgram=/run/vsmtp-plugind/evil\n");
	put(&w, RUN "/plugind.conf.d/10-a.conf", "[Plugind]\nProgram=/run/vsmtp-plugind/evil\n");
	check_links(&w, "/etc/vsmtp/plugins", 0);
	assert_string_equal(w.config.program, "/usr/sbin/vsmtp");
	world_done(&w);
}

/* A package is built, and tested, by an ordinary user: he gives no file away. */
static void expect_untrusted(struct world *w, const char *path, mode_t mode, uid_t owner)
{
	_cleanup_free_ char *full = path_of(w, path);
	struct stat before;

	assert_int_equal(stat(full, &before), 0);
	if (owner != before.st_uid && geteuid() != 0)
		return;
	assert_int_equal(chown(full, owner, (gid_t)-1), 0);
	assert_int_equal(chmod(full, mode), 0);
	load(w);
	assert_true(w->config.not_known);
	assert_int_equal(w->remarks.n, 1);
	assert_int_equal(w->remarks.items[0].problem, CONFIG_UNTRUSTED);
	assert_string_equal(w->remarks.items[0].trust.path, path);
	assert_int_equal(chown(full, before.st_uid, (gid_t)-1), 0);
	assert_int_equal(chmod(full, before.st_mode & 07777U), 0);
	load(w);
	assert_false(w->config.not_known);
}

static void test_rule_12_configuration_of_others_is_not_known(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	put(&w, LIB "/plugind.conf.d/10-a.conf", "");
	put(&w, ETC "/plugind.conf", "[Plugind]\nRequireRootOwned=no\n");
	expect_untrusted(&w, ETC "/plugind.conf", 0644, 12345);
	expect_untrusted(&w, ETC "/plugind.conf", 0664, geteuid());
	expect_untrusted(&w, LIB "/plugind.conf.d/10-a.conf", 0602, geteuid());
	/* Also a directory that holds nothing yet. */
	expect_untrusted(&w, LIB "/plugind.conf.d", 0777, geteuid());
	/* A mask needs no trust, nor does what it masks. */
	put(&w, LIB "/plugind.conf.d/20-b.conf", "");
	put_link(&w, ETC "/plugind.conf.d/20-b.conf", "/dev/null");
	{
		_cleanup_free_ char *full = path_of(&w, LIB "/plugind.conf.d/20-b.conf");

		assert_int_equal(chmod(full, 0666), 0);
	}
	load(&w);
	assert_false(w.config.not_known);
	world_done(&w);
}

static void test_a_huge_file_is_refused(void **state)
{
	size_t len = 2 * 1024 * 1024;
	_cleanup_free_ char *text = malloc(len + 1);
	struct world w;

	UNUSED(state);
	assert_non_null(text);
	memset(text, '\n', len);
	text[len] = 0;
	world_make(&w);
	put(&w, ETC "/plugind.conf", text);
	check_links(&w, "/etc/vsmtp/plugins", 1);
	assert_int_equal(w.remarks.items[0].error, EFBIG);
	assert_true(w.config.not_known);
	world_done(&w);
}

static void test_links_stay_inside_the_root(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	put(&w, "/real/plugind.conf", "[Plugind]\nLinks=/inside\nOops=1\n");
	put_link(&w, ETC, "/real");
	check_links(&w, "/inside", 1);
	assert_string_equal(w.remarks.items[0].file, ETC "/plugind.conf");
	assert_int_equal(w.remarks.items[0].line, 3);
	world_done(&w);
}

/* Each directory of drop-ins where its entries are looked at, each plugind.conf where its name is.
 */
static int note_visit(void *userdata, int fd, const char *dir, const char *next, bool moves)
{
	char ***seen = userdata;
	char text[256];

	UNUSED(moves);
	assert_true(fd >= 0);
	if (next && strcmp(next, "plugind.conf") != 0)
		return 0;
	snprintf(text, sizeof(text), "%s%s%s", dir, next ? "/" : "", next ? next : "");
	return strv_add(seen, text);
}

static void test_rule_16_directories_to_watch(void **state)
{
	static const char *const all[] = {ETC, ETC "/plugind.conf.d", LIB, LIB "/plugind.conf.d"};
	_cleanup_strv_ char **seen = NULL;
	struct world w;

	UNUSED(state);
	world_make(&w);
	for (size_t i = 0; i < ELEMENTSOF(all); i++) {
		_cleanup_free_ char *file = NULL;

		assert_true(asprintf(&file, "%s/plugind.conf", all[i]) > 0);
		put(&w, file, "");
	}
	assert_int_equal(conf_visit(&w.root, note_visit, &seen), 0);
	for (size_t i = 0; i < ELEMENTSOF(all); i++) {
		_cleanup_free_ char *file = NULL;

		assert_true(asprintf(&file, "%s/plugind.conf", all[i]) > 0);
		assert_true(strv_has(seen, i % 2 ? all[i] : file));
	}
	world_done(&w);
}

static int enabled(struct world *w, const char *key)
{
	const struct config_plugin *p;

	load(w);
	p = config_find_plugin(&w->config, key);
	return p ? p->enabled : -1;
}

static void test_rule_10_disable_and_enable(void **state)
{
	_cleanup_free_ char *path = NULL, *text = NULL, *gone = NULL;
	struct world w;

	UNUSED(state);
	world_make(&w);
	put(&w, "/etc/hosts", "");
	assert_int_equal(conf_plugin_path("my_sql", &path), 0);
	assert_string_equal(path, ETC "/plugind.conf.d/zz-pluginctl-my-sql.conf");

	/* Nothing was there: both directories are made. */
	assert_int_equal(conf_write_plugin(&w.root, "my_sql", CONF_DISABLE), 0);
	assert_int_equal(enabled(&w, "my-sql"), 0);
	assert_int_equal(w.remarks.n, 0);
	text = slurp(&w, path);
	assert_non_null(text);
	assert_non_null(strstr(text, "[Plugin my_sql]\nEnabled=no\n"));
	assert_int_equal(conf_write_plugin(&w.root, "my_sql", CONF_DISABLE), 0);

	/* Either spelling is the same plugin. */
	assert_int_equal(conf_write_plugin(&w.root, "my-sql", CONF_ENABLE), 0);
	assert_int_equal(enabled(&w, "my-sql"), -1);
	gone = slurp(&w, path);
	assert_null(gone);
	assert_int_equal(conf_write_plugin(&w.root, "my-sql", CONF_ENABLE), 0);
	assert_int_equal(enabled(&w, "my-sql"), -1);
	world_done(&w);
}

static void test_enable_overrules_others_only_if_it_must(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	put(&w, ETC "/plugind.conf.d/50-site.conf", "[Plugin a]\nEnabled=no\n[Plugin b]\n");
	assert_int_equal(conf_write_plugin(&w.root, "a", CONF_ENABLE), 0);
	assert_int_equal(enabled(&w, "a"), 1);
	assert_int_equal(conf_write_plugin(&w.root, "a", CONF_DISABLE), 0);
	assert_int_equal(enabled(&w, "a"), 0);
	assert_int_equal(conf_write_plugin(&w.root, "b", CONF_ENABLE), 0);
	assert_int_equal(enabled(&w, "b"), -1);
	world_done(&w);
}

static void test_enable_where_nothing_is_writes_nothing(void **state)
{
	_cleanup_close_ int fd = -EBADF;
	struct world w;

	UNUSED(state);
	world_make(&w);
	assert_int_equal(conf_write_plugin(&w.root, "a", CONF_ENABLE), 0);
	fd = root_open_path(&w.root, "/etc", O_PATH);
	assert_int_equal(fd, -ENOENT);
	world_done(&w);
}

static void test_names_for_drop_ins(void **state)
{
	static const char *const bad[] = {"", "a/b", "../x", "a.b", "a b", "-a", "a\n"};
	_cleanup_free_ char *one = NULL, *two = NULL;
	char name[256];
	struct world w;

	UNUSED(state);
	world_make(&w);
	put(&w, "/etc/hosts", "");
	for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
		assert_int_equal(conf_plugin_path(bad[i], &one), -EINVAL);
		assert_int_equal(conf_write_plugin(&w.root, bad[i], CONF_DISABLE), -EINVAL);
	}
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_int_equal(conf_plugin_path(name, &one), 0);
	assert_true(strlen(strrchr(one, '/') + 1) <= 255);
	assert_int_equal(conf_write_plugin(&w.root, name, CONF_DISABLE), 0);
	assert_int_equal(enabled(&w, name), 0);
	name[250] = 'm';
	assert_int_equal(conf_plugin_path(name, &two), 0);
	assert_string_not_equal(one, two);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_there_is_the_defaults),
		cmocka_unit_test(test_first_main_file_only),
		cmocka_unit_test(test_drop_ins_beat_the_main_file_in_order_of_name),
		cmocka_unit_test(test_same_name_masks),
		cmocka_unit_test(test_other_names_are_not_read),
		cmocka_unit_test(test_not_regular_is_said_and_passed_over),
		cmocka_unit_test(test_what_cannot_be_read_is_said),
		cmocka_unit_test(test_rule_12_no_configuration_where_a_daemon_may_write),
		cmocka_unit_test(test_rule_12_configuration_of_others_is_not_known),
		cmocka_unit_test(test_a_huge_file_is_refused),
		cmocka_unit_test(test_links_stay_inside_the_root),
		cmocka_unit_test(test_rule_16_directories_to_watch),
		cmocka_unit_test(test_rule_10_disable_and_enable),
		cmocka_unit_test(test_enable_overrules_others_only_if_it_must),
		cmocka_unit_test(test_enable_where_nothing_is_writes_nothing),
		cmocka_unit_test(test_names_for_drop_ins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
