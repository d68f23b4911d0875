/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/loaded.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A running server that started at second 100, and what it would load now. */
struct scene {
	struct link links[10];
	struct snapshot s;
	struct unit_facts u;
};

#define START_USEC (100 * USEC_PER_SEC)
#define SECOND_NSEC 1000000000LL

/* Texts of a scene are never freed. */
static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void begin(struct scene *c)
{
	*c = (struct scene){
		.s.server.program.resolved = text("/usr/sbin/vsmtp"),
		.s.server.program.identity = text("build-id=p1,size=9"),
		.s.links.items = c->links,
		.u.state = UNIT_ACTIVE,
		.u.invocation = text("11111111111111111111111111111111"),
		.u.start_usec = START_USEC,
	};
}

static struct link *add(struct scene *c, const char *name, const char *identity)
{
	struct link *l = &c->links[c->s.links.n++];

	*l = (struct link){
		.name = text(name),
		.resolved = text("/usr/lib/vsmtp/x.so"),
		.identity = text(identity),
		.ctime_nsec = 50 * SECOND_NSEC,
		.target_ctime_nsec = 50 * SECOND_NSEC,
	};
	return l;
}

static void check(const struct scene *c, enum owed_why why, const char *detail)
{
	_cleanup_free_ char *set = NULL;
	_cleanup_(owed_done) struct owed o = {0};

	assert_int_equal(loaded_set_make(&c->s, &set), 0);
	assert_int_equal(owed_find(&c->u, &c->s, set, &o), 0);
	assert_int_equal(o.why, why);
	if (detail) {
		assert_non_null(o.detail);
		assert_string_equal(o.detail, detail);
	} else {
		assert_null(o.detail);
	}
	assert_int_equal(!!owed_is(&o), why >= OWED_SET_CHANGED);
}

/* The set of now becomes the record of this start. */
static void record(struct scene *c)
{
	free(c->u.record);
	assert_int_equal(loaded_set_make(&c->s, &c->u.record), 0);
	c->u.record_invocation = c->u.invocation;
}

static void end(struct scene *c)
{
	free(c->u.record);
}

static void test_rule_18_the_set_is_name_path_and_identity(void **state)
{
	_cleanup_free_ char *set = NULL;
	struct scene c;

	UNUSED(state);
	begin(&c);
	add(&c, "a.so", "build-id=aa,size=1");
	add(&c, "b.so", "build-id=bb,size=1")->dangling = true;
	add(&c, "c.so", "inode=3,size=1,mtime=2");
	assert_int_equal(loaded_set_make(&c.s, &set), 0);
	assert_string_equal(set, "\t/usr/sbin/vsmtp\tbuild-id=p1,size=9\n"
				 "a.so\t/usr/lib/vsmtp/x.so\tbuild-id=aa,size=1\n"
				 "c.so\t/usr/lib/vsmtp/x.so\tinode=3,size=1,mtime=2\n");
}

static void test_rule_18_no_program_no_links(void **state)
{
	_cleanup_free_ char *set = NULL;
	struct scene c;

	UNUSED(state);
	begin(&c);
	c.s.server.program = (struct file_facts){0};
	assert_int_equal(loaded_set_make(&c.s, &set), 0);
	assert_string_equal(set, "");
}

static void test_rule_18_hostile_names_make_no_lines(void **state)
{
	_cleanup_free_ char *set = NULL;
	struct scene c;

	UNUSED(state);
	begin(&c);
	c.s.server.program = (struct file_facts){0};
	add(&c, "a\n\tb\\.so", "x");
	assert_int_equal(loaded_set_make(&c.s, &set), 0);
	assert_string_equal(set, "a\\x0a\\x09b\\x5c.so\t/usr/lib/vsmtp/x.so\tx\n");
	record(&c);
	c.links[0].identity = text("y");
	check(&c, OWED_SET_CHANGED, "a\\x0a\\x09b\\x5c.so changed");
	c.u.record_invocation = NULL;
	c.links[0].ctime_nsec = 150 * SECOND_NSEC;
	check(&c, OWED_NEWER, "a\\x0a\\x09b\\x5c.so newer");
	end(&c);
}

static void test_rule_18_same_set_owes_nothing(void **state)
{
	struct scene c;

	UNUSED(state);
	begin(&c);
	add(&c, "a.so", "build-id=aa,size=1");
	record(&c);
	check(&c, OWED_NOTHING, NULL);
	/* Made anew with the same text, a chmod, the same build installed again. */
	c.links[0].ctime_nsec = c.links[0].target_ctime_nsec = 200 * SECOND_NSEC;
	c.links[0].inode = 77;
	c.links[0].target_inode = 78;
	c.s.server.program.signature.ctime_nsec = 200 * SECOND_NSEC;
	check(&c, OWED_NOTHING, NULL);
	/* A link that leads nowhere is loaded by nobody. */
	add(&c, "b.so", "build-id=bb,size=1")->dangling = true;
	check(&c, OWED_NOTHING, NULL);
	end(&c);
}

static void test_rule_18_what_differs_is_named(void **state)
{
	struct scene c;

	UNUSED(state);
	begin(&c);
	add(&c, "a.so", "build-id=aa,size=1");
	add(&c, "c.so", "build-id=cc,size=1");
	record(&c);
	c.links[0].identity = text("build-id=ab,size=1");
	check(&c, OWED_SET_CHANGED, "a.so changed");
	c.links[0].identity = text("build-id=aa,size=1");
	c.links[0].resolved = text("/usr/lib/vsmtp/y.so");
	check(&c, OWED_SET_CHANGED, "a.so changed");
	c.links[0].name = text("b.so");
	check(&c, OWED_SET_CHANGED, "a.so removed, b.so added");
	c.s.links.n = 1;
	check(&c, OWED_SET_CHANGED, "a.so removed, b.so added, c.so removed");
	c.s.links.n = 0;
	check(&c, OWED_SET_CHANGED, "a.so removed, c.so removed");
	c.s.server.program.identity = text("build-id=p2,size=9");
	check(&c, OWED_SET_CHANGED, "the program changed, a.so removed, c.so removed");
	c.s.server.program.resolved = NULL;
	check(&c, OWED_SET_CHANGED, "the program removed, a.so removed, c.so removed");
	end(&c);
}

static void test_rule_18_a_name_that_begins_another(void **state)
{
	struct scene c;

	UNUSED(state);
	begin(&c);
	add(&c, "a.so", "x");
	add(&c, "a.so.so", "x");
	record(&c);
	c.links[0] = c.links[1];
	c.s.links.n = 1;
	check(&c, OWED_SET_CHANGED, "a.so removed");
	end(&c);
}

static void test_rule_18_many_differences_are_counted(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
	struct scene c;

	UNUSED(state);
	begin(&c);
	record(&c);
	for (size_t i = 0; i < 5; i++)
		add(&c, names[i], "x")->ctime_nsec = 150 * SECOND_NSEC;
	check(&c, OWED_SET_CHANGED, "a added, b added, c added, d added, e added");
	add(&c, names[5], "x")->ctime_nsec = 150 * SECOND_NSEC;
	check(&c, OWED_SET_CHANGED, "a added, b added, c added, d added, e added and 1 more");
	add(&c, names[6], "x")->ctime_nsec = 150 * SECOND_NSEC;
	check(&c, OWED_SET_CHANGED, "a added, b added, c added, d added, e added and 2 more");
	c.u.record_invocation = text("2");
	check(&c, OWED_NEWER, "a newer, b newer, c newer, d newer, e newer and 2 more");
	end(&c);
}

static void test_rule_18_record_of_another_start_is_none(void **state)
{
	struct scene c;

	UNUSED(state);
	begin(&c);
	add(&c, "a.so", "x");
	record(&c);
	c.links[0].identity = text("y");
	c.u.record_invocation = text("22222222222222222222222222222222");
	check(&c, OWED_NOTHING, NULL);
	c.links[0].target_ctime_nsec = 101 * SECOND_NSEC;
	check(&c, OWED_NEWER, "a.so newer");
	/* Nor does a record count if the unit's own start is not known. */
	c.u.invocation = c.u.record_invocation = NULL;
	check(&c, OWED_NEWER, "a.so newer");
	end(&c);
}

static void test_rule_18_without_record_ctimes_decide(void **state)
{
	struct scene c;

	UNUSED(state);
	begin(&c);
	add(&c, "a.so", "x");
	add(&c, "b.so", "x");
	check(&c, OWED_NOTHING, NULL);
	c.links[0].ctime_nsec = 100 * SECOND_NSEC; /* the very moment is not newer */
	check(&c, OWED_NOTHING, NULL);
	c.links[0].ctime_nsec++;
	check(&c, OWED_NEWER, "a.so newer");
	c.links[1].target_ctime_nsec = 101 * SECOND_NSEC;
	c.s.server.program.signature.ctime_nsec = 101 * SECOND_NSEC;
	check(&c, OWED_NEWER, "the program newer, a.so newer, b.so newer");
	c.links[0].dangling = true;
	check(&c, OWED_NEWER, "the program newer, b.so newer");
	c.u.start_usec = 0; /* and without a start time nothing does */
	check(&c, OWED_NOTHING, NULL);
}

static void test_rule_18_who_does_not_run_is_owed_nothing(void **state)
{
	static const struct {
		enum unit_state state;
		enum owed_why why;
	} cases[] = {
		{UNIT_NO_MANAGER, OWED_NOT_KNOWN}, {UNIT_UNKNOWN, OWED_NOT_KNOWN},
		{UNIT_MISSING, OWED_NOT_RUNNING},  {UNIT_INACTIVE, OWED_NOT_RUNNING},
		{UNIT_ACTIVE, OWED_SET_CHANGED},   {UNIT_CHANGING, OWED_SET_CHANGED},
	};
	struct scene c;

	UNUSED(state);
	begin(&c);
	record(&c);
	add(&c, "a.so", "x");
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		c.u.state = cases[i].state;
		check(&c, cases[i].why, cases[i].why == OWED_SET_CHANGED ? "a.so added" : NULL);
	}
	end(&c);
}

/* What a sandbox or another user's directory hides is no difference, in the record or now. */
static void test_rule_09_what_is_unseen_differs_from_nothing(void **state)
{
	struct scene c;
	_cleanup_free_ char *set = NULL;

	UNUSED(state);
	begin(&c);
	add(&c, "a.so", "x");
	add(&c, "b.so", "x");
	record(&c);
	c.links[0].resolved = c.links[0].identity = NULL;
	assert_int_equal(loaded_set_make(&c.s, &set), 0);
	assert_non_null(strstr(set, "a.so\tunseen\t\n"));
	check(&c, OWED_NOTHING, NULL);
	c.links[1].identity = text("y");
	check(&c, OWED_SET_CHANGED, "b.so changed");
	record(&c);
	c.links[0].resolved = text("/usr/lib/vsmtp/a.so");
	c.links[0].identity = text("z");
	check(&c, OWED_NOTHING, NULL);
	c.links[0].dangling = true; /* known to be gone */
	check(&c, OWED_SET_CHANGED, "a.so removed");
	end(&c);
}

static void test_rule_18_whether_the_start_hook_ran(void **state)
{
	char a[] = "aa", b[] = "bb";
	static const struct {
		bool same, late, hook, own_root, ended;
		enum unit_state unit;
		enum hook_state is;
	} cases[] = {
		{true, false, true, false, false, UNIT_ACTIVE, HOOK_RAN},
		{true, false, false, true, true, UNIT_ACTIVE, HOOK_RAN},
		{true, true, true, false, false, UNIT_ACTIVE, HOOK_NOT_YET},
		{false, false, true, false, false, UNIT_ACTIVE, HOOK_NOT_YET},
		{false, false, false, false, false, UNIT_ACTIVE, HOOK_MISSING},
		{true, true, false, true, true, UNIT_ACTIVE, HOOK_MISSING},
		{true, true, true, true, true, UNIT_ACTIVE, HOOK_HIDDEN},
		{false, false, true, false, true, UNIT_ACTIVE, HOOK_FAILED},
		{false, false, false, false, false, UNIT_INACTIVE, HOOK_RAN},
		{false, false, false, false, false, UNIT_CHANGING, HOOK_RAN},
		{false, false, false, false, false, UNIT_NO_MANAGER, HOOK_RAN},
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct unit_facts u = {
			.state = cases[i].unit,
			.invocation = a,
			.record_invocation = cases[i].same ? a : b,
			.record_late = cases[i].late,
			.start_usec = 1,
			.hook = cases[i].hook,
			.own_root = cases[i].own_root,
			.hook_ended = cases[i].ended,
		};

		if (hook_find(&u) != cases[i].is)
			fail_msg("case %zu: %d", i, hook_find(&u));
	}
}

static void test_fingerprints_tell_sets_apart(void **state)
{
	char a[LOADED_FINGERPRINT_SIZE], b[LOADED_FINGERPRINT_SIZE];

	UNUSED(state);
	loaded_fingerprint("a\n", a);
	loaded_fingerprint("b\n", b);
	assert_int_equal(strlen(a), 16);
	assert_string_not_equal(a, b);
	loaded_fingerprint("a\n", b);
	assert_string_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_18_the_set_is_name_path_and_identity),
		cmocka_unit_test(test_rule_18_no_program_no_links),
		cmocka_unit_test(test_rule_18_hostile_names_make_no_lines),
		cmocka_unit_test(test_rule_18_same_set_owes_nothing),
		cmocka_unit_test(test_rule_18_what_differs_is_named),
		cmocka_unit_test(test_rule_18_a_name_that_begins_another),
		cmocka_unit_test(test_rule_18_many_differences_are_counted),
		cmocka_unit_test(test_rule_18_record_of_another_start_is_none),
		cmocka_unit_test(test_rule_18_without_record_ctimes_decide),
		cmocka_unit_test(test_rule_18_who_does_not_run_is_owed_nothing),
		cmocka_unit_test(test_rule_09_what_is_unseen_differs_from_nothing),
		cmocka_unit_test(test_rule_18_whether_the_start_hook_ran),
		cmocka_unit_test(test_fingerprints_tell_sets_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
