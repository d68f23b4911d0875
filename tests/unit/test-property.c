/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rules that hold in every world, tried on worlds made by chance. One that breaks a rule is printed
 * with its seed, as text that `test-golden --print` reads. */

#include "chance.h"
#include "golden.h"

#include "base/str.h"
#include "core/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WORLDS 4000

static void broken(const struct made *m, const char *what)
{
	print_error("seed %u: %s\n%s\n", m->seed, what, m->text);
	fail();
}

static void plan_world(const struct made *m, const char *text, struct world *w, struct plan *p)
{
	int r = world_parse(text, w);

	if (r < 0)
		broken(m, w->error ? w->error : "no memory");
	assert_int_equal(plan_make(&w->config, &w->snapshot, p), 0);
}

static bool is_change(const struct plan_link *l)
{
	return l->action == LINK_CREATE || l->action == LINK_REPLACE || l->action == LINK_REMOVE;
}

static bool is_foreign(const struct world *w, const struct link *l)
{
	return !plan_link_is_ours(&w->config, l);
}

/* All that is foreign, as text. */
static char *foreign(const struct world *w)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char *text = NULL;

	for (size_t i = 0; i < w->snapshot.links.n; i++) {
		const struct link *l = &w->snapshot.links.items[i];

		if (is_foreign(w, l))
			buf_printf(&b, "%s %d %s %d\n", l->name, l->kind, l->text ? l->text : "",
				   (int)l->target_inode);
	}
	assert_int_equal(buf_take(&b, &text), 0);
	return text;
}

static void check_foreign(const struct made *m)
{
	_cleanup_world_ struct world w = {0};
	_cleanup_(plan_done) struct plan p = {0};
	_cleanup_free_ char *before = NULL, *after = NULL;

	plan_world(m, m->text, &w, &p);
	for (size_t i = 0; i < p.n_links; i++) {
		const struct link *l = snapshot_find_link(&w.snapshot, p.links[i].name);

		if (l && is_foreign(&w, l) && is_change(&p.links[i]))
			broken(m, "a foreign entry is changed");
	}
	before = foreign(&w);
	assert_int_equal(world_project(&w, &p), 0);
	after = foreign(&w);
	if (strcmp(before, after) != 0)
		broken(m, "what is foreign is another after the pass");
}

static void check_settles(const struct made *m)
{
	_cleanup_world_ struct world w = {0};
	_cleanup_(plan_done) struct plan p = {0}, next = {0};

	plan_world(m, m->text, &w, &p);
	assert_int_equal(world_project(&w, &p), 0);
	assert_int_equal(plan_make(&w.config, &w.snapshot, &next), 0);
	if (plan_changes(&next) > 0)
		broken(m, "a second pass changes links");
	if (next.names_changed)
		broken(m, "a second pass changes names");
}

static void check_order(const struct made *m)
{
	_cleanup_world_ struct world w = {0}, v = {0};
	_cleanup_(plan_done) struct plan p = {0}, q = {0};
	_cleanup_free_ char *shuffled = NULL, *one = NULL, *other = NULL;
	uint64_t f = 0, g = 1;

	plan_world(m, m->text, &w, &p);
	assert_int_equal(world_shuffle(m->text, m->seed, &shuffled), 0);
	plan_world(m, shuffled, &v, &q);
	assert_int_equal(world_print_plan(&w, &p, &one), 0);
	assert_int_equal(world_print_plan(&v, &q, &other), 0);
	assert_int_equal(plan_fingerprint(&w.config, &w.snapshot, &f), 0);
	assert_int_equal(plan_fingerprint(&v.config, &v.snapshot, &g), 0);
	if (strcmp(one, other) != 0 || f != g)
		broken(m, "another order gives another plan");
}

static void check_one_link(const struct made *m)
{
	_cleanup_world_ struct world w = {0};
	_cleanup_(plan_done) struct plan p = {0};

	plan_world(m, m->text, &w, &p);
	for (unsigned i = 0; i < WORLD_KEYS; i++) {
		size_t created = 0, before = 0, after = 0;

		for (size_t j = 0; j < p.n_links; j++) {
			const struct plan_link *l = &p.links[j];
			bool there = l->action != LINK_REMOVE;

			if (!str_eq(l->key, world_keys[i]))
				continue;
			created += l->action == LINK_CREATE;
			after += there;
		}
		for (size_t j = 0; j < w.snapshot.links.n; j++) {
			const char *key = w.snapshot.links.items[j].key;

			before += key && str_eq(key, world_keys[i]);
		}
		if (created > 1)
			broken(m, "two links are made for one plugin");
		if (after > MAX(before, 1U))
			broken(m, "a plugin gets one link more");
	}
}

/* What the links lead to once the pass is over. */
static void check_targets(const struct made *m)
{
	_cleanup_world_ struct world w = {0};
	_cleanup_(plan_done) struct plan p = {0};

	plan_world(m, m->text, &w, &p);
	for (size_t i = 0; i < p.n_links; i++) {
		const struct plan_link *l = &p.links[i];
		const struct verdict *v;

		if (l->action != LINK_KEEP && l->action != LINK_CREATE && l->action != LINK_REPLACE)
			continue;
		if (!l->candidate || strcmp(l->text, l->candidate->path) != 0)
			broken(m, "a link to no candidate");
		v = &p.verdicts[l->candidate - w.snapshot.candidates];
		if (v->version && !version_equal(v->version, w.snapshot.server.version))
			broken(m, "a link to a file for another version");
		if (v->gate == GATE_LINKED ||
		    (l->action == LINK_KEEP &&
		     (v->gate == GATE_BEING_WRITTEN || v->gate == GATE_SHADOWED ||
		      (v->gate == GATE_UNREADABLE && l->candidate->facts.read_error != 0))))
			continue;
		broken(m, "a link to a file that failed a gate");
	}
}

static void plan_held(const struct made *m, const char *text, struct world *w, struct plan *p)
{
	plan_world(m, text, w, p);
	plan_done(p);
	w->snapshot.held = true;
	assert_int_equal(plan_make(&w->config, &w->snapshot, p), 0);
}

/* Rule 17: what leads nowhere goes, and that is all. */
static void check_held(const struct made *m)
{
	_cleanup_world_ struct world w = {0};
	_cleanup_(plan_done) struct plan p = {0}, again = {0};

	plan_held(m, m->text, &w, &p);
	if (p.directory == PLAN_DIRECTORY_MAKE || p.directory == PLAN_DIRECTORY_TAKE_OVER)
		broken(m, "the directory is changed while held");
	for (size_t i = 0; i < p.n_links; i++) {
		const struct plan_link *l = &p.links[i];
		bool goes =
			l->seen && l->seen->dangling && !is_foreign(&w, l->seen) && !p.not_known;

		if (is_change(l) && l->action != LINK_REMOVE)
			broken(m, "a link is made or retargeted while held");
		if ((l->action == LINK_REMOVE) != goes)
			broken(m, "held, and not just what leads nowhere goes");
	}
	assert_int_equal(world_project(&w, &p), 0);
	assert_int_equal(plan_make(&w.config, &w.snapshot, &again), 0);
	if (plan_changes(&again) > 0 || again.names_changed)
		broken(m, "a second held pass finds something to do");
}

/* What was parked while held is no hindrance afterwards. */
static void check_released(const struct made *m)
{
	_cleanup_world_ struct world w = {0};
	_cleanup_(plan_done) struct plan p = {0}, after = {0}, last = {0};

	plan_held(m, m->text, &w, &p);
	assert_int_equal(world_project(&w, &p), 0);
	w.snapshot.held = false;
	assert_int_equal(plan_make(&w.config, &w.snapshot, &after), 0);
	assert_int_equal(world_project(&w, &after), 0);
	assert_int_equal(plan_make(&w.config, &w.snapshot, &last), 0);
	if (plan_changes(&last) > 0 || last.names_changed)
		broken(m, "released, one pass is not enough");
}

static void each_world(enum kind kind, void (*check)(const struct made *m))
{
	for (unsigned seed = 1; seed <= WORLDS; seed++) {
		_cleanup_(made_done) struct made m = {0};

		assert_int_equal(make_world(seed, kind, &m), 0);
		check(&m);
	}
}

static void test_rule_06_no_plugin_gets_a_second_link(void **state)
{
	UNUSED(state);
	each_world(COLLIDE, check_one_link);
}

static void test_rule_08_foreign_is_never_touched(void **state)
{
	UNUSED(state);
	each_world(COLLIDE, check_foreign);
}

static void test_rule_09_links_lead_to_what_fits(void **state)
{
	UNUSED(state);
	each_world(COLLIDE, check_targets);
}

static void test_rule_15_a_second_pass_finds_nothing_to_do(void **state)
{
	UNUSED(state);
	each_world(COLLIDE, check_settles);
}

static void test_rule_15_same_world_same_plan(void **state)
{
	UNUSED(state);
	each_world(COLLIDE, check_order);
}

static void test_rule_17_held_only_what_leads_nowhere_goes(void **state)
{
	UNUSED(state);
	each_world(COLLIDE, check_held);
}

static void test_rule_17_released_all_is_made_right(void **state)
{
	UNUSED(state);
	each_world(APART, check_released);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_06_no_plugin_gets_a_second_link),
		cmocka_unit_test(test_rule_08_foreign_is_never_touched),
		cmocka_unit_test(test_rule_09_links_lead_to_what_fits),
		cmocka_unit_test(test_rule_15_a_second_pass_finds_nothing_to_do),
		cmocka_unit_test(test_rule_15_same_world_same_plan),
		cmocka_unit_test(test_rule_17_held_only_what_leads_nowhere_goes),
		cmocka_unit_test(test_rule_17_released_all_is_made_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
