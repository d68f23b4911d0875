/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/restart.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SETTLE 100
#define SETTLE_MAX 2000
#define NEVER USEC_INFINITY

static struct restart made(void)
{
	struct restart m;

	restart_init(&m, SETTLE, SETTLE_MAX);
	return m;
}

/* A machine whose work began at `now`, asked just long enough before. */
static struct restart working(uint64_t now)
{
	struct restart m = made();

	restart_ask(&m, now - SETTLE);
	assert_true(restart_begin(&m, now));
	assert_int_equal(m.state, RESTART_WORKING);
	return m;
}

static void test_rule_18_idle_wants_nothing(void **state)
{
	struct restart m = made();

	UNUSED(state);
	assert_int_equal(m.state, RESTART_IDLE);
	assert_true(restart_due_usec(&m) == NEVER);
	assert_false(restart_begin(&m, 0));
	assert_false(restart_begin(&m, UINT64_MAX));
	restart_end(&m, 5, RESTART_RESULT_FAILED); /* nothing to end */
	assert_int_equal(m.state, RESTART_IDLE);
	assert_int_equal(m.failures, 0);
}

static void test_rule_18_quiet_settles(void **state)
{
	struct restart m = made();

	UNUSED(state);
	restart_ask(&m, 1000);
	assert_int_equal(restart_due_usec(&m), 1100);
	restart_ask(&m, 1050); /* not quiet yet */
	assert_int_equal(restart_due_usec(&m), 1150);
	assert_false(restart_begin(&m, 1149));
	assert_int_equal(m.state, RESTART_SETTLING);
	assert_int_equal(restart_due_usec(&m), 1150); /* a refused begin changes nothing */
	assert_true(restart_begin(&m, 1150));
	assert_int_equal(m.state, RESTART_WORKING);
	assert_true(restart_due_usec(&m) == NEVER);
	assert_false(restart_begin(&m, 9999)); /* not twice */
}

static void test_rule_18_steady_trickle_ends_at_settle_max(void **state)
{
	struct restart m = made();
	uint64_t t = 1000;

	UNUSED(state);
	for (; t < 10000; t += 50) {
		restart_ask(&m, t);
		if (restart_begin(&m, t))
			break;
	}
	assert_int_equal(t, 1000 + SETTLE_MAX);
}

static void test_rule_18_asked_while_working_works_again(void **state)
{
	struct restart m = working(1000);

	UNUSED(state);
	restart_ask(&m, 1010);
	restart_ask(&m, 1020);
	assert_int_equal(m.state, RESTART_WORKING);
	restart_end(&m, 1030, RESTART_RESULT_DONE);
	assert_int_equal(m.state, RESTART_SETTLING);
	assert_int_equal(restart_due_usec(&m), 1030 + SETTLE); /* spacing beats quiet */
	assert_true(restart_begin(&m, 1130));
	restart_end(&m, 1140, RESTART_RESULT_DONE); /* that was one request, not two works */
	assert_int_equal(m.state, RESTART_IDLE);
}

static void test_rule_18_trickle_during_long_work_counts_from_its_first(void **state)
{
	struct restart m = working(1000);

	UNUSED(state);
	restart_ask(&m, 2000);
	restart_ask(&m, 8000);
	restart_end(&m, 8001, RESTART_RESULT_DONE);
	/* first + SETTLE_MAX is long past: only the spacing holds it */
	assert_int_equal(restart_due_usec(&m), 8101);
	restart_ask(&m, 8090);
	assert_int_equal(restart_due_usec(&m), 8101);
}

static void test_rule_18_done_is_idle_and_spaced(void **state)
{
	struct restart m = working(1000);

	UNUSED(state);
	restart_end(&m, 5000, RESTART_RESULT_DONE);
	assert_int_equal(m.state, RESTART_IDLE);
	assert_true(restart_due_usec(&m) == NEVER);
	restart_ask(&m, 4990); /* quiet since long, and yet the spacing is kept */
	assert_int_equal(restart_due_usec(&m), 5100);
	assert_false(restart_begin(&m, 5099));
	assert_true(restart_begin(&m, 5100));
}

static void test_rule_18_spacing_is_the_settle_time(void **state)
{
	struct restart m = working(1000);

	UNUSED(state);
	restart_configure(&m, 700, 5000);
	restart_end(&m, 2000, RESTART_RESULT_DONE);
	restart_ask(&m, 1500);
	assert_int_equal(restart_due_usec(&m), 2700);
}

static void test_failure_backs_off_doubling_up_to_a_bound(void **state)
{
	struct restart m = working(1000);
	uint64_t now = 1000, wait = RESTART_BACKOFF_FIRST_USEC;

	UNUSED(state);
	for (int i = 0; i < 12; i++) {
		restart_end(&m, now, RESTART_RESULT_FAILED);
		assert_int_equal(m.state, RESTART_SETTLING);
		assert_int_equal(m.failures, i + 1);
		assert_int_equal(restart_due_usec(&m), now + wait);
		restart_ask(&m, now); /* nobody shortens it */
		assert_int_equal(restart_due_usec(&m), now + wait);
		now += wait;
		assert_true(restart_begin(&m, now));
		wait = MIN(wait * 2, RESTART_BACKOFF_MAX_USEC);
	}
	assert_int_equal(wait, RESTART_BACKOFF_MAX_USEC);

	restart_end(&m, now, RESTART_RESULT_DONE);
	assert_int_equal(m.failures, 0);
	restart_ask(&m, now + 5000);
	assert_true(restart_begin(&m, now + 5100));
	restart_end(&m, now + 5100, RESTART_RESULT_FAILED); /* from the beginning again */
	assert_int_equal(restart_due_usec(&m), now + 5100 + RESTART_BACKOFF_FIRST_USEC);
}

static void test_backoff_and_quiet_as_others_use_them(void **state)
{
	struct restart m = made();

	UNUSED(state);
	assert_int_equal(restart_backoff_usec(0), 0);
	assert_int_equal(restart_backoff_usec(1), RESTART_BACKOFF_FIRST_USEC);
	assert_int_equal(restart_backoff_usec(UINT_MAX), RESTART_BACKOFF_MAX_USEC);
	assert_int_equal(restart_quiet_usec(&m, 1000, 1000), 1000 + SETTLE);
	assert_int_equal(restart_quiet_usec(&m, 1000, 900000), 1000 + SETTLE_MAX);
}

static void test_failures_do_not_wrap(void **state)
{
	struct restart m = working(1000);

	UNUSED(state);
	m.failures = UINT_MAX;
	restart_end(&m, 1000, RESTART_RESULT_FAILED);
	assert_int_equal(m.failures, UINT_MAX);
	assert_int_equal(restart_due_usec(&m), 1000 + RESTART_BACKOFF_MAX_USEC);
}

static void test_backoff_is_never_shorter_than_the_settle_time(void **state)
{
	struct restart m = working(1000);
	const uint64_t settle = 3 * RESTART_BACKOFF_MAX_USEC;

	UNUSED(state);
	restart_configure(&m, settle, 2 * settle);
	restart_end(&m, 1000, RESTART_RESULT_FAILED);
	assert_int_equal(restart_due_usec(&m), 1000 + settle);
}

static void test_failure_with_a_request_meanwhile(void **state)
{
	struct restart m = working(1000);

	UNUSED(state);
	restart_ask(&m, 1001);
	restart_end(&m, 1002, RESTART_RESULT_FAILED);
	assert_int_equal(restart_due_usec(&m), 1002 + RESTART_BACKOFF_FIRST_USEC);
	assert_true(restart_begin(&m, 1002 + RESTART_BACKOFF_FIRST_USEC));
	restart_end(&m, 9000000, RESTART_RESULT_DONE);
	assert_int_equal(m.state, RESTART_IDLE);
}

static void test_drop_keeps_the_spacing(void **state)
{
	struct restart m = working(1000);

	UNUSED(state);
	restart_drop(&m); /* not while working */
	assert_int_equal(m.state, RESTART_WORKING);
	restart_end(&m, 1000, RESTART_RESULT_DONE);
	restart_ask(&m, 1001);
	restart_drop(&m);
	assert_int_equal(m.state, RESTART_IDLE);
	assert_true(restart_due_usec(&m) == NEVER);
	assert_false(restart_begin(&m, 99999));
	restart_ask(&m, 1010);
	assert_int_equal(restart_due_usec(&m), 1110);
	restart_drop(&m);
	restart_ask(&m, 990);
	assert_int_equal(restart_due_usec(&m), 1100);
}

static void test_configure_holds_for_what_is_under_way(void **state)
{
	struct restart m = made();

	UNUSED(state);
	restart_ask(&m, 1000);
	restart_configure(&m, 500, 600);
	assert_int_equal(m.state, RESTART_SETTLING);
	assert_int_equal(restart_due_usec(&m), 1500);
	restart_ask(&m, 1400);
	assert_int_equal(restart_due_usec(&m), 1600);
	restart_configure(&m, 10, 20);
	assert_int_equal(restart_due_usec(&m), 1020); /* past: due now */
	assert_true(restart_begin(&m, 1401));
	restart_ask(&m, 1402);
	restart_configure(&m, 300, 300);
	restart_end(&m, 1403, RESTART_RESULT_DONE);
	assert_int_equal(restart_due_usec(&m), 1703);
}

static void test_settle_longer_than_its_bound(void **state)
{
	struct restart m;

	UNUSED(state);
	restart_init(&m, USEC_INFINITY, 50);
	restart_ask(&m, 1000);
	assert_int_equal(restart_due_usec(&m), 1050);
	assert_true(restart_begin(&m, 1050));
	restart_end(&m, 1060, RESTART_RESULT_DONE);
	restart_ask(&m, 1060); /* the spacing, too, is bounded */
	assert_int_equal(restart_due_usec(&m), 1110);
}

static void test_no_settling_at_all(void **state)
{
	struct restart m;

	UNUSED(state);
	restart_init(&m, 0, 0);
	restart_ask(&m, 7);
	assert_true(restart_begin(&m, 7));
	restart_ask(&m, 7);
	restart_end(&m, 7, RESTART_RESULT_DONE);
	assert_true(restart_begin(&m, 7));
}

static void test_times_at_the_ends_of_the_range(void **state)
{
	struct restart m = made();

	UNUSED(state);
	restart_ask(&m, 0);
	assert_int_equal(restart_due_usec(&m), SETTLE);
	assert_false(restart_begin(&m, 0));

	m = made();
	restart_ask(&m, UINT64_MAX - 10);
	assert_true(restart_due_usec(&m) == UINT64_MAX);
	assert_false(restart_begin(&m, UINT64_MAX - 10)); /* did not start over at zero */
	assert_true(restart_begin(&m, UINT64_MAX));
	restart_end(&m, UINT64_MAX - 5, RESTART_RESULT_FAILED);
	assert_true(m.not_before_usec == UINT64_MAX);
	assert_false(restart_begin(&m, UINT64_MAX - 5));

	restart_init(&m, USEC_INFINITY, USEC_INFINITY);
	restart_ask(&m, 1);
	assert_true(restart_due_usec(&m) == NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_18_idle_wants_nothing),
		cmocka_unit_test(test_rule_18_quiet_settles),
		cmocka_unit_test(test_rule_18_steady_trickle_ends_at_settle_max),
		cmocka_unit_test(test_rule_18_asked_while_working_works_again),
		cmocka_unit_test(test_rule_18_trickle_during_long_work_counts_from_its_first),
		cmocka_unit_test(test_rule_18_done_is_idle_and_spaced),
		cmocka_unit_test(test_rule_18_spacing_is_the_settle_time),
		cmocka_unit_test(test_failure_backs_off_doubling_up_to_a_bound),
		cmocka_unit_test(test_backoff_and_quiet_as_others_use_them),
		cmocka_unit_test(test_failures_do_not_wrap),
		cmocka_unit_test(test_backoff_is_never_shorter_than_the_settle_time),
		cmocka_unit_test(test_failure_with_a_request_meanwhile),
		cmocka_unit_test(test_drop_keeps_the_spacing),
		cmocka_unit_test(test_configure_holds_for_what_is_under_way),
		cmocka_unit_test(test_settle_longer_than_its_bound),
		cmocka_unit_test(test_no_settling_at_all),
		cmocka_unit_test(test_times_at_the_ends_of_the_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
