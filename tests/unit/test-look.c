/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One look (rule 16): whatever happens to a tree, a look at what is in doubt sees what a look at
 * everything sees, fact by fact. The steps are made by chance; KIT_SEED= repeats a run. */

#include "base/str.h"
#include "core/plan.h"
#include "realelf.h"
#include "sys/facts.h"
#include "sys/observe.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define STORE "usr/lib/vsmtp"
#define SECOND "opt/s"
#define LINKS "etc/vsmtp/plugins"
#define STEPS 400
#define DONE_MAX 12000

struct tree {
	char *dir;
	struct root root;
	struct config config;
	struct watch *watch;
	struct observer *observer;
	uint64_t random;
	unsigned seed;
	struct bytes builds[3];
	struct buf done; /* the last steps, as text */
};

static unsigned draw(struct tree *t, unsigned n)
{
	t->random = t->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(t->random >> 33) % n;
}

#define PICK(t, a) (a)[draw(t, ELEMENTSOF(a))]

static void put(const struct tree *t, const char *path, const struct bytes *b, bool in_place)
{
	_cleanup_free_ char *to = realelf_path(t->dir, "%s", path);
	_cleanup_free_ char *fresh = realelf_path(t->dir, "tmp/fresh");
	const char *first = in_place ? to : fresh;
	_cleanup_close_ int fd = open(first, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	if (fd < 0)
		return;
	(void)!write(fd, b->data, b->len);
	if (!in_place && rename(fresh, to) < 0)
		(void)unlink(fresh);
}

static void make_dirs(const struct tree *t)
{
	static const char *const dirs[] = {
		"usr",          "usr/lib", "usr/sbin",  STORE,     "opt",
		SECOND,         "etc",     "etc/vsmtp", LINKS,     "srv",
		"srv/d",        "tmp",     "var",       "var/lib", "var/lib/vsmtp-plugind",
		STORE "/1.0.0",
	};

	for (size_t i = 0; i < ELEMENTSOF(dirs); i++) {
		_cleanup_free_ char *path = realelf_path(t->dir, "%s", dirs[i]);

		(void)mkdir(path, 0755);
	}
}

static int start(void **state)
{
	static const char *const sources[] = {REALELF_MODULE, REALELF_TRANSPORT};
	const char *seed = getenv("KIT_SEED");
	struct tree *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	*state = t;
	t->seed = seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)time(NULL);
	t->random = t->seed;
	(void)fprintf(stderr, "# KIT_SEED=%u\n", t->seed);
	t->dir = realelf_scratch();
	if (!t->dir || root_open(t->dir, &t->root) < 0 || config_init(&t->config) < 0 ||
	    config_finish(&t->config) < 0 || watch_new(&t->root, &t->watch) < 0 ||
	    observer_new(&t->root, 0, &t->observer) < 0 ||
	    str_replace(&t->config.version, "1.0.0") < 0)
		return -1;
	observer_set_watch(t->observer, t->watch);
	make_dirs(t);
	for (size_t i = 0; i < ELEMENTSOF(sources); i++) {
		if (!realelf_compile(t->dir, "build.so", sources[i], "-shared -fPIC -nostdlib"))
			return -1;
		t->builds[i] = realelf_load(t->dir, "build.so");
	}
	t->builds[2].data = (uint8_t *)strdup("no ELF at all");
	t->builds[2].len = 13;
	return 0;
}

static int stop(void **state)
{
	struct tree *t = *state;

	observer_free(t->observer);
	watch_free(t->watch);
	config_done(&t->config);
	root_done(&t->root);
	realelf_sweep(t->dir);
	for (size_t i = 0; i < ELEMENTSOF(t->builds); i++)
		bytes_done(&t->builds[i]);
	buf_done(&t->done);
	free(t);
	return 0;
}

/* ---- all facts as text ---- */

static void dump_trust(struct buf *b, const char *what, const struct trust_facts *t)
{
	buf_printf(b, " %s=%d:%o:%u:%s", what, t->trust, t->mode, t->owner, t->path ? t->path : "");
}

static void dump_file(struct buf *b, const struct file_facts *f)
{
	const struct signature *s = &f->signature;

	/* Not the ctime: another name that came and went again changes it, and nothing else. Of a
	 * directory what is in it does not matter, and is not heard of. */
	buf_printf(b, " kind=%d %" PRIu64 "/%o", f->kind, s->inode, s->mode);
	if (f->kind == FILE_REGULAR)
		buf_printf(b, " %" PRIu64 "/%" PRId64, s->size, s->mtime_nsec);
	dump_trust(b, "trust", &f->trust);
	buf_printf(b, " readable=%d error=%d writing=%d many=%d followed=%d judged=%d elf=%d/%d/%d",
		   f->readable, f->read_error, f->being_written, f->many_names, f->followed,
		   f->judged, f->elf.form, f->elf.object, f->elf.entry);
	buf_printf(b, " is %s at %s\n", f->identity ? f->identity : "nothing",
		   f->resolved ? f->resolved : "nowhere");
}

static char *dump(const struct snapshot *s)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char *text = NULL;

	buf_printf(&b, "server %d %s", s->server.state, s->server.version ? s->server.version : "");
	dump_file(&b, &s->server.program);
	for (size_t i = 0; i < s->n_stores; i++)
		buf_printf(&b, "store %s absent=%d error=%d %s\n", s->stores[i].path,
			   s->stores[i].absent, s->stores[i].error,
			   s->stores[i].error ? s->stores[i].error_path : "");
	for (size_t i = 0; i < s->n_candidates; i++) {
		const struct candidate *k = &s->candidates[i];

		buf_printf(&b, "candidate %zu %s %s %s %d/%d", k->store, k->path, k->file,
			   k->name.key, k->name.layout, k->name.problem);
		dump_file(&b, &k->facts);
	}
	buf_printf(&b, "links %d %d", s->links.state, s->links.error);
	dump_trust(&b, "trust", &s->links.trust);
	dump_trust(&b, "parents", &s->links.parents);
	for (char **l = s->links.leftovers; l && *l; l++)
		buf_printf(&b, " leftover %s", *l);
	buf_add(&b, "\n");
	for (size_t i = 0; i < s->links.n; i++) {
		const struct link *l = &s->links.items[i];

		buf_printf(&b,
			   "link %s kind=%d %s -> %s inode=%" PRIu64 " dangling=%d %s %s %" PRIu64
			   "\n",
			   l->name, l->kind, l->text ? l->text : "", l->target ? l->target : "",
			   l->inode, l->dangling, l->resolved ? l->resolved : "nowhere",
			   l->identity ? l->identity : "nothing", l->target_inode);
	}
	for (size_t i = 0; i < s->names.n; i++)
		buf_printf(&b, "name %s %s %d\n", s->names.items[i].key, s->names.items[i].link,
			   s->names.items[i].flags);
	assert_int_equal(buf_take(&b, &text), 0);
	return text;
}

/* ---- what happens ---- */

static const char *const files[] = {
	STORE "/libvsmtp-plugin-a-1.0.0.so",
	STORE "/libvsmtp-plugin-b-1.0.0.so",
	STORE "/c.so",
	STORE "/libvsmtp-plugin-a-2.0.0.so",
	STORE "/1.0.0/libvsmtp_plugin_a.so",
	STORE "/1.0.0/libvsmtp_plugin_d.so",
	STORE "/1.0.0/e.so",
	STORE "/2.0.0/libvsmtp_plugin_a.so",
	STORE "/1.0.0-x.so",
	STORE "/no-plugin.txt",
	SECOND "/libvsmtp-plugin-a-1.0.0.so",
	SECOND "/f.so",
	SECOND "/1.0.0/libvsmtp_plugin_f.so",
	"srv/x.so",
	"srv/d/libvsmtp_plugin_g.so",
};
static const char *const targets[] = {
	"/" STORE "/libvsmtp-plugin-a-1.0.0.so",
	"/" STORE "/c.so",
	"/" STORE "/no-plugin.txt",
	"/" STORE "/1.0.0/libvsmtp_plugin_a.so",
	"/srv/x.so",
	"/srv/nowhere.so",
	"../../../srv/x.so",
	"/" SECOND "/f.so",
	"/" STORE "/deep/er.so",
	"loop.so",
};
static const char *const links[] = {"vsmtp-plugin-a.so", "mine.so", "loop.so", "c.so",
				    ".vsmtp-plugind-abcDEF"};
static const char *const dirs[] = {
	STORE,           STORE "/1.0.0", STORE "/2.0.0", STORE "/1.0.0-x.so", SECOND,
	SECOND "/1.0.0", LINKS,          "usr/lib",      "etc/vsmtp",         "usr/sbin",
	"srv/d",         "srv",          STORE "/deep"};
static const mode_t modes[] = {0755, 0755, 0644, 0775, 0200};

/* Other names of the same file are heard of if they are candidates. */
static bool is_candidate(const char *path)
{
	return str_after(path, STORE) && strstr(path, "plugin") && str_ends(path, ".so");
}

static void happen_file(struct tree *t, const char *path)
{
	_cleanup_free_ char *at = realelf_path(t->dir, "%s", path);
	const char *other = PICK(t, files), *target = PICK(t, targets);
	_cleanup_free_ char *to = realelf_path(t->dir, "%s", other);
	unsigned what = draw(t, 12);

	buf_printf(&t->done, "file %s %u %s %s\n", path, what, other, target);
	if (what < 5)
		put(t, path, &PICK(t, t->builds), what < 2);
	else if (what < 7)
		(void)unlink(at);
	else if (what == 7)
		(void)rename(at, to);
	else if (what == 8)
		(void)chmod(at, PICK(t, modes));
	else if (what == 9 && is_candidate(path) && is_candidate(other))
		(void)!link(at, to);
	else if (what == 10)
		(void)!symlink(target, at);
	else { /* truncate(2) by path is not heard of */
		_cleanup_close_ int fd = open(at, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

		(void)!ftruncate(fd, draw(t, 300));
	}
}

static void happen_dir(struct tree *t, const char *path)
{
	_cleanup_free_ char *at = realelf_path(t->dir, "%s", path);
	const char *other = PICK(t, dirs);
	_cleanup_free_ char *to = realelf_path(t->dir, "%s", other);
	_cleanup_free_ char *aside = realelf_path(t->dir, "tmp/%u", draw(t, 3));
	unsigned what = draw(t, 8);

	buf_printf(&t->done, "dir %s %u %s %s\n", path, what, other, aside);
	if (what < 2)
		(void)mkdir(at, 0755);
	else if (what == 2)
		(void)rename(at, aside);
	else if (what == 3)
		(void)rename(aside, at);
	else if (what == 4)
		(void)rename(at, to);
	else if (what == 5)
		(void)chmod(at, draw(t, 3) ? 0755 : 0777);
	else if (what == 6 && draw(t, 2))
		(void)!symlink(draw(t, 2) ? "/srv/d" : "1.0.0", at);
	else
		(void)remove(at);
}

static void happen_link(struct tree *t)
{
	const char *name = PICK(t, links), *target = PICK(t, targets);
	_cleanup_free_ char *at = realelf_path(t->dir, LINKS "/%s", name);
	_cleanup_free_ char *to = realelf_path(t->dir, LINKS "/%s", PICK(t, links));
	unsigned what = draw(t, 8);

	buf_printf(&t->done, "link %s %u %s\n", name, what, target);
	if (what < 4) {
		(void)unlink(at);
		(void)!symlink(target, at);
	} else if (what == 4) {
		(void)unlink(at);
	} else if (what == 5) {
		(void)rename(at, to);
	} else {
		_cleanup_free_ char *path = realelf_path("", LINKS "/%s", name);

		put(t, path, &t->builds[0], what == 6);
	}
}

static void happen_elsewhere(struct tree *t)
{
	static const char program[] = "usr/sbin/vsmtp", names[] = "var/lib/vsmtp-plugind/names";
	struct bytes record = {.data = (uint8_t *)(uintptr_t) "a\tfound\tmine.so\n", .len = 16};
	_cleanup_free_ char *at = realelf_path(t->dir, "%s", draw(t, 2) ? program : names);
	unsigned what = draw(t, 6);

	buf_printf(&t->done, "elsewhere %u %s\n", what, at);
	if (what == 0)
		put(t, program, &t->builds[1], false);
	else if (what == 1)
		put(t, names, &record, false);
	else if (what == 2)
		(void)unlink(at);
	else if (what == 3) { /* the configuration changes */
		strv_free(TAKE_PTR(t->config.stores));
		assert_int_equal(strv_add(&t->config.stores, "/" STORE), 0);
		if (draw(t, 2))
			assert_int_equal(strv_add(&t->config.stores, "/" SECOND), 0);
		if (draw(t, 3) == 0)
			assert_int_equal(strv_add(&t->config.stores, "/" STORE "/1.0.0"), 0);
		observer_doubt_all(t->observer);
	}
}

static void happen(struct tree *t)
{
	unsigned what = draw(t, 20);

	if (what < 9)
		happen_file(t, PICK(t, files));
	else if (what < 14)
		happen_dir(t, PICK(t, dirs));
	else if (what < 18)
		happen_link(t);
	else if (what == 18)
		happen_elsewhere(t);
	else
		make_dirs(t);
}

/* ---- the comparison ---- */

static void differ(const struct tree *t, const char *ours, const char *right)
{
	size_t same = 0, line = 0;

	for (; ours[same] && ours[same] == right[same]; same++)
		line = ours[same] == '\n' ? same + 1 : line;
	ours += line;
	right += line;
	(void)fprintf(stderr, "KIT_SEED=%u, the last steps:\n%s\nseen: %.400s\nis: %.400s\n",
		      t->seed, t->done.data ? t->done.data : "", ours, right);
	fail();
}

static int hear(void *userdata, unsigned subject, const char *dir, const char *name)
{
	struct tree *t = userdata;

	buf_printf(&t->done, "  heard for %u: %s %s\n", subject, dir, name ? name : "(the way)");
	return observer_doubt(t->observer, subject, dir, name);
}

static void look(struct tree *t)
{
	_cleanup_(snapshot_done) struct snapshot ours = {0}, right = {0};
	_cleanup_free_ char *a = NULL, *b = NULL;
	struct observer *fresh = NULL;
	int r = watch_read(t->watch, hear, t);

	assert_true(r >= 0);
	if (r > 0)
		observer_doubt_all(t->observer);
	assert_int_equal(observe(t->observer, &t->config, &ours), 0);
	assert_int_equal(observer_new(&t->root, 0, &fresh), 0);
	assert_int_equal(observe(fresh, &t->config, &right), 0);
	observer_free(fresh);
	a = dump(&ours);
	b = dump(&right);
	if (strcmp(a, b) != 0)
		differ(t, a, b);
	if (t->done.len > DONE_MAX) {
		memmove(t->done.data, t->done.data + t->done.len - DONE_MAX, DONE_MAX);
		t->done.len = DONE_MAX;
	}
	buf_add(&t->done, "-- looked\n");
}

static void test_rule_16_what_is_not_in_doubt_is_as_it_was(void **state)
{
	struct tree *t = *state;

	look(t);
	for (unsigned i = 0; i < STEPS; i++) {
		for (unsigned n = 1 + draw(t, 3); n > 0; n--)
			happen(t);
		look(t);
	}
}

/* A second change within the grain of a file's times leaves no trace on them. */
static void test_rule_13_young_times_are_not_settled(void **state)
{
	static const struct {
		int64_t ctime, now;
		bool young;
	} cases[] = {
		{.ctime = 5000000001, .now = 5000000002, .young = true},
		{.ctime = 5000000001, .now = 5009000000, .young = true},
		{.ctime = 5000000001, .now = 5011000000},
		{.ctime = 5000000000, .now = 5011000000, .young = true}, /* times by the second */
		{.ctime = 5000000000, .now = 7000000000},
		{.ctime = 5000000001, .now = 4999999999}, /* the clock was set back */
	};
	_cleanup_(file_facts_done) struct file_facts f = {0};
	const struct trust_facts fine = {0};
	struct tree *t = *state;
	_cleanup_free_ char *dir = realelf_path(t->dir, "srv");
	_cleanup_close_ int fd = open(dir, O_PATH | O_CLOEXEC);
	struct facts_place p = {.root = &t->root,
				.dir_fd = fd,
				.dir_trust = &fine,
				.path = "/srv/x.so",
				.file = "x.so"};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct signature s = {.ctime_nsec = cases[i].ctime};

		assert_int_equal(facts_are_young(&s, cases[i].now), cases[i].young);
	}
	put(t, "srv/x.so", &t->builds[0], false);
	assert_int_equal(facts_look(&p, FACTS_ANEW, &f), FACTS_CHANGED);
	f.young = false;
	assert_int_equal(facts_look(&p, FACTS_IF_IN_DOUBT, &f), FACTS_SAME);
	f.young = true;
	assert_int_equal(facts_look(&p, FACTS_IF_CHANGED, &f), FACTS_SAME);
	assert_int_equal(facts_look(&p, FACTS_IF_IN_DOUBT, &f), FACTS_CHANGED);
}

static void test_rule_13_a_refused_lease_says_nothing_on_a_network(void **state)
{
	UNUSED(state);
	assert_true(facts_leases_tell(0xef53));      /* ext4 */
	assert_true(facts_leases_tell(0x01021994));  /* tmpfs */
	assert_false(facts_leases_tell(0x6969));     /* NFS */
	assert_false(facts_leases_tell(0xfe534d42)); /* SMB 2 */
	/* statfs(2) has it in a signed number. */
	assert_false(facts_leases_tell((uint64_t)(int32_t)0xff534d42)); /* CIFS */
}

#define IN_A_TREE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_13_a_refused_lease_says_nothing_on_a_network),
		IN_A_TREE(test_rule_13_young_times_are_not_settled),
		IN_A_TREE(test_rule_16_what_is_not_in_doubt_is_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
