/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "words.h"

#define MAX_USEC 1000

static const struct lock_facts nobody = {0};
static const struct lock_facts apt = {
	.path = "/var/lib/dpkg/lock-frontend", .pid = 12, .command = "apt-get"};
static const struct lock_facts rpm = {.path = "/var/lib/rpm/.rpm.lock", .pid = 13};
static const struct lock_facts unknown = {.path = "/var/lib/dpkg/lock"};

static void test_rule_17_nobody_at_work_holds_nothing(void **state)
{
	struct hold h = {0};

	UNUSED(state);
	assert_int_equal(hold_see(&h, &nobody, MAX_USEC, 5), HOLD_NO_NEWS);
	assert_int_equal(h.state, HOLD_FREE);
	assert_true(hold_due_usec(&h, MAX_USEC) == USEC_INFINITY);
}

static void test_rule_17_held_until_released(void **state)
{
	struct hold h = {0};

	UNUSED(state);
	assert_int_equal(hold_see(&h, &apt, MAX_USEC, 100), HOLD_BEGINS);
	assert_int_equal(h.state, HOLD_HOLDING);
	assert_int_equal(hold_due_usec(&h, MAX_USEC), 1100);
	assert_int_equal(hold_see(&h, &apt, MAX_USEC, 1099), HOLD_NO_NEWS);
	assert_int_equal(h.state, HOLD_HOLDING);
	assert_int_equal(hold_see(&h, &nobody, MAX_USEC, 1099), HOLD_ENDS);
	assert_int_equal(h.state, HOLD_FREE);
	assert_true(hold_due_usec(&h, MAX_USEC) == USEC_INFINITY);
}

/* One transaction after another, none of them seen to end, is one waiting. */
static void test_rule_17_another_holder_does_not_begin_anew(void **state)
{
	struct hold h = {0};

	UNUSED(state);
	(void)hold_see(&h, &apt, MAX_USEC, 100);
	assert_int_equal(hold_see(&h, &rpm, MAX_USEC, 900), HOLD_NO_NEWS);
	assert_int_equal(hold_due_usec(&h, MAX_USEC), 1100);
}

static void test_rule_17_gives_up_and_goes_on(void **state)
{
	struct hold h = {0};

	UNUSED(state);
	(void)hold_see(&h, &apt, MAX_USEC, 100);
	assert_int_equal(hold_see(&h, &apt, MAX_USEC, 1100), HOLD_GIVES_UP);
	assert_int_equal(h.state, HOLD_GAVE_UP);
	assert_true(hold_due_usec(&h, MAX_USEC) == USEC_INFINITY);
	assert_int_equal(hold_see(&h, &apt, MAX_USEC, 99999), HOLD_NO_NEWS); /* said once */
	assert_int_equal(h.state, HOLD_GAVE_UP);
	/* What comes after it is waited for again, whether or not it was seen to end. */
	assert_int_equal(hold_see(&h, &rpm, MAX_USEC, 100000), HOLD_BEGINS);
	assert_int_equal(hold_due_usec(&h, MAX_USEC), 101000);
	assert_int_equal(hold_see(&h, &rpm, MAX_USEC, 101000), HOLD_GIVES_UP);
	assert_int_equal(hold_see(&h, &nobody, MAX_USEC, 101001), HOLD_NO_NEWS);
	assert_int_equal(h.state, HOLD_FREE);
}

static void test_rule_17_a_changed_limit_counts_at_once(void **state)
{
	struct hold h = {0};

	UNUSED(state);
	(void)hold_see(&h, &unknown, MAX_USEC, 100);
	assert_int_equal(hold_due_usec(&h, 200), 300);
	assert_int_equal(hold_see(&h, &unknown, 200, 400), HOLD_GIVES_UP);
}

static void test_rule_17_without_limit(void **state)
{
	struct hold h = {0};

	UNUSED(state);
	assert_int_equal(hold_see(&h, &apt, USEC_INFINITY, 100), HOLD_BEGINS);
	assert_true(hold_due_usec(&h, USEC_INFINITY) == USEC_INFINITY);
	assert_int_equal(hold_see(&h, &apt, USEC_INFINITY, UINT64_MAX - 1), HOLD_NO_NEWS);
	assert_int_equal(h.state, HOLD_HOLDING);
}

static void test_rule_17_zero_never_waits_and_says_nothing(void **state)
{
	struct hold h = {0};

	UNUSED(state);
	assert_int_equal(hold_see(&h, &apt, 0, 100), HOLD_NO_NEWS);
	assert_int_equal(h.state, HOLD_GAVE_UP);
	assert_int_equal(hold_see(&h, &rpm, 0, 101), HOLD_NO_NEWS);
	assert_int_equal(h.state, HOLD_GAVE_UP);
	assert_int_equal(hold_see(&h, &nobody, 0, 102), HOLD_NO_NEWS);
	assert_int_equal(h.state, HOLD_FREE);
}

static void check_words(const struct lock_facts *l, const char *want)
{
	_cleanup_free_ char *text = NULL, *said = NULL;

	text = WORDS(word_lock, l);
	assert_string_equal(text, want);
	said = WORDS(word_hold, l, HOLD_GIVES_UP);
	assert_non_null(strstr(said, want));
	assert_non_null(strstr(said, "HoldMaxSec="));
}

static void test_rule_17_who_holds_in_words(void **state)
{
	UNUSED(state);
	check_words(&apt, "apt-get (pid 12) holds /var/lib/dpkg/lock-frontend");
	check_words(&rpm, "a package manager (pid 13) holds /var/lib/rpm/.rpm.lock");
	check_words(&unknown, "a package manager holds /var/lib/dpkg/lock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_17_nobody_at_work_holds_nothing),
		cmocka_unit_test(test_rule_17_held_until_released),
		cmocka_unit_test(test_rule_17_another_holder_does_not_begin_anew),
		cmocka_unit_test(test_rule_17_gives_up_and_goes_on),
		cmocka_unit_test(test_rule_17_a_changed_limit_counts_at_once),
		cmocka_unit_test(test_rule_17_without_limit),
		cmocka_unit_test(test_rule_17_zero_never_waits_and_says_nothing),
		cmocka_unit_test(test_rule_17_who_holds_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
