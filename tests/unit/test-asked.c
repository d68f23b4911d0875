/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/asked.h"

#include "base/str.h"
#include "sys/answer.h"
#include "sys/clock.h"
#include "sys/record.h"
#include "sys/state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

/* Requests, the answer and the records, in a scratch root. */

struct bench {
	char dir[64];
	struct root root;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	*state = b;
	(void)snprintf(b->dir, sizeof(b->dir), "/tmp/test-asked-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	assert_int_equal(root_open(b->dir, &b->root), 0);
	assert_int_equal(state_prepare(&b->root), 0);
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", b->dir, NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	root_done(&b->root);
	free(b);
	return 0;
}

static char unit[] = "vsmtp.service", set[] = "0123456789abcdef";
static char start_id[] = "00000000000000000000000000000001";

static char *ask(struct bench *b)
{
	const struct request q = {
		.kind = REQUEST_RELOAD_WAITS, .unit = unit, .replaces = start_id, .set = set};
	char *name = NULL;

	assert_int_equal(asked_ask(&b->root, &q, &name), 0);
	return name;
}

static void put(struct bench *b, const char *file, const char *text)
{
	char path[160];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s" STATE_RUN_DIR "/%s", b->dir, file);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
}

static void test_rule_18_what_is_asked_is_read_as_it_was(void **state)
{
	struct bench *b = *state;
	_cleanup_free_ char *name = ask(b);
	_cleanup_(requests_done) struct requests all = {0};
	uint64_t now = clock_usec(CLOCK_BOOTTIME);

	assert_int_equal(asked_read(&b->root, &all), 0);
	assert_int_equal(all.n, 1);
	assert_int_equal(all.not_known, 0);
	assert_string_equal(all.items[0].name, name);
	assert_int_equal(all.items[0].kind, REQUEST_RELOAD_WAITS);
	assert_string_equal(all.items[0].unit, unit);
	assert_string_equal(all.items[0].replaces, start_id);
	assert_string_equal(all.items[0].set, set);
	assert_int_equal(all.items[0].pid, getpid());
	assert_string_equal(all.items[0].command, "test-asked");
	assert_true(all.items[0].usec <= now && all.items[0].usec + 60 * USEC_PER_SEC > now);
	assert_int_equal(asked_remove(&b->root, name), 0);
	assert_int_equal(asked_remove(&b->root, name), 0);
}

static void test_rule_18_another_format_is_not_known_and_stays(void **state)
{
	struct bench *b = *state;
	_cleanup_free_ char *name = ask(b);
	_cleanup_(requests_done) struct requests all = {0};

	put(b, "asked/new",
	    "format 2\nkind look\nunit \nreplaces \nset \nusec 1\npid 1\ncommand x\n");
	put(b, "asked/half", "format 1\nkind look\nusec 1\n");
	put(b, "asked/.dot", "format 2\n");
	assert_int_equal(asked_read(&b->root, &all), 0);
	assert_int_equal(all.n, 1);
	assert_int_equal(all.not_known, 2);
}

static void test_rule_18_so_many_and_no_more(void **state)
{
	struct bench *b = *state;
	_cleanup_(requests_done) struct requests all = {0};
	char *name;

	for (size_t i = 0; i < ASKED_MAX; i++) {
		name = ask(b);
		assert_non_null(name);
		free(name);
	}
	assert_null(ask(b)); /* counts as asked */
	assert_int_equal(asked_read(&b->root, &all), 0);
	assert_int_equal(all.n, ASKED_MAX);
}

static void test_rule_18_nobody_answers(void **state)
{
	struct bench *b = *state;
	struct request q = {.usec = clock_usec(CLOCK_BOOTTIME)};
	const struct requests young = {.items = &q, .n = 1};
	struct request old_q = {.usec = q.usec - ASKED_PATIENCE_USEC - 1};
	const struct requests old = {.items = &old_q, .n = 1};
	int ready[2], status = 0;
	char byte;
	pid_t pid;

	assert_false(asked_nobody_answers(&b->root, &young));
	assert_true(asked_nobody_answers(&b->root, &old));
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		_exit(state_take_role(&b->root, STATE_ROLE_EXECUTOR, STATE_WAIT) < 0 ||
		      write(ready[1], "x", 1) != 1 || pause() == 0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_false(asked_nobody_answers(&b->root, &old)); /* somebody is at it */
	assert_int_equal(state_role_pid(&b->root, STATE_ROLE_EXECUTOR), pid);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_true(asked_nobody_answers(&b->root, &old));
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void test_rule_18_a_request_is_an_event(void **state)
{
	struct bench *b = *state;
	_cleanup_close_ int fd = asked_watch(&b->root);
	char events[4096];

	assert_true(fd >= 0);
	assert_true(read(fd, events, sizeof(events)) < 0);
	free(ask(b));
	assert_true(read(fd, events, sizeof(events)) > 0);
}

static void answer(struct bench *b, const char *name, enum answer_word word)
{
	_cleanup_(answer_done) struct answer a = {.pid = 7};
	_cleanup_free_ char *copy = strdup(name);
	char text[] = "so\tand so\n";
	const struct answered item = {.name = copy,
				      .word = word,
				      .why = DECIDE_WHY_DISTANCE,
				      .until_usec = 5,
				      .text = text};

	assert_int_equal(answer_add(&a, &item), 0);
	assert_int_equal(answer_write(&b->root, &a), 0);
}

static void test_answers_are_read_as_they_were(void **state)
{
	struct bench *b = *state;
	_cleanup_(answer_done) struct answer a = {0};
	const struct answered *found;

	answer(b, "one", ANSWER_WAITING);
	assert_int_equal(answer_read(&b->root, &a), 0);
	assert_int_equal(a.pid, 7);
	found = answer_find(&a, "one");
	assert_non_null(found);
	assert_int_equal(found->word, ANSWER_WAITING);
	assert_int_equal(found->why, DECIDE_WHY_DISTANCE);
	assert_int_equal(found->until_usec, 5);
	assert_string_equal(found->text, "so\tand so\n");
	assert_null(answer_find(&a, "two"));
}

static void test_an_answer_of_another_format_is_none(void **state)
{
	struct bench *b = *state;
	_cleanup_(answer_done) struct answer a = {0};

	put(b, "answer", "format 2\npid 1\nx\thealthy\tnothing-owed\t0\tx\n");
	assert_int_equal(answer_read(&b->root, &a), 0);
	assert_int_equal(a.n, 0);
	put(b, "answer", "format 1\npid 1\nx\thealthy\nnonsense\ny\tno-word\tx\t0\tx\n");
	assert_int_equal(answer_read(&b->root, &a), 0);
	assert_int_equal(a.n, 0);
}

static void test_the_gravest_word_and_the_slowest_unit_count(void **state)
{
	UNUSED(state);
	assert_int_equal(answer_join(ANSWER_HEALTHY, ANSWER_FAILED), ANSWER_FAILED);
	assert_int_equal(answer_join(ANSWER_HEALTHY, ANSWER_NOT_RUNNING), ANSWER_HEALTHY);
	assert_int_equal(answer_join(ANSWER_HEALTHY, ANSWER_WAITING), ANSWER_WAITING);
	assert_int_equal(answer_join(ANSWER_STARTED, ANSWER_WAITING), ANSWER_WAITING);
	assert_int_equal(answer_join(ANSWER_FAILED, ANSWER_STARTED), ANSWER_STARTED);
}

/* Step by step, as the executor does it, each time somebody waits for the next one. */
static void test_waiting_ends_with_the_word(void **state)
{
	struct bench *b = *state;
	static char one[] = "one";
	char *const names[] = {one, NULL};
	_cleanup_(answered_done) struct answered a = {0};
	uint64_t late = clock_usec(CLOCK_BOOTTIME) + 30 * USEC_PER_SEC;
	pid_t pid;

	assert_int_equal(answer_wait(&b->root, names, ANSWER_STARTED, 0, &a), 0);
	assert_int_equal(a.word, ANSWER_NONE);
	pid = fork();
	if (pid == 0) {
		for (enum answer_word w = ANSWER_LOOKED; w <= ANSWER_HEALTHY; w++)
			if (w != ANSWER_NOT_RUNNING && w != ANSWER_NOTHING_OWED)
				answer(b, "one", w);
		_exit(0);
	}
	assert_int_equal(answer_wait(&b->root, names, ANSWER_STARTED, late, &a), 1);
	assert_true(a.word >= ANSWER_STARTED);
	assert_int_equal(answer_wait(&b->root, names, ANSWER_HEALTHY, late, &a), 1);
	assert_int_equal(a.word, ANSWER_HEALTHY);
	waitpid(pid, NULL, 0);
	answer(b, "other", ANSWER_FAILED);
	assert_int_equal(answer_wait(&b->root, names, ANSWER_STARTED, 0, &a), 0);
}

static void test_rule_18_the_last_sixteen_starts(void **state)
{
	struct bench *b = *state;
	struct starts made = {0}, read = {0};

	for (uint64_t i = 1; i <= STARTS_MAX + 3; i++) {
		struct start s = {.usec = i,
				  .end_usec = 2 * i,
				  .unit = "vsmtp.service",
				  .reload = i % 2,
				  .result = START_CANCELED,
				  .set = "0123456789abcdef"};

		(void)snprintf(s.replaced, sizeof(s.replaced), "%s", i % 2 ? "" : start_id);
		starts_add(&made, &s);
	}
	assert_int_equal(record_write_starts(&b->root, &made), 0);
	assert_int_equal(record_read_starts(&b->root, &read), 0);
	assert_int_equal(read.n, STARTS_MAX);
	assert_int_equal(read.items[0].usec, 4);
	assert_int_equal(read.items[0].end_usec, 8);
	assert_string_equal(read.items[0].unit, unit);
	assert_string_equal(read.items[0].replaced, start_id);
	assert_string_equal(read.items[0].set, set);
	assert_int_equal(read.items[0].result, START_CANCELED);
	assert_true(read.items[1].reload && !read.items[0].reload);
	put(b, "starts", "format 9\n1\tx\trestart\tdone\t-\tx\t0\n");
	assert_int_equal(record_read_starts(&b->root, &read), 0);
	assert_int_equal(read.n, 0);
}

static void test_records_of_units(void **state)
{
	struct bench *b = *state;
	_cleanup_(unit_facts_done) struct unit_facts u = {.name = strdup(unit)};
	_cleanup_free_ char *asked = NULL;
	char fingerprint[LOADED_FINGERPRINT_SIZE];

	assert_int_equal(
		record_write_loaded(&b->root, unit, start_id, "b\tx\ty\n", RECORD_BY_OTHER), 0);
	assert_int_equal(record_read_unit(&b->root, &u), 0);
	assert_string_equal(u.record_invocation, start_id);
	assert_true(u.record_late);
	assert_int_equal(
		record_write_loaded(&b->root, unit, start_id, "a.so\tx\ty\n", RECORD_BY_HOOK), 0);
	assert_int_equal(record_forbid(&b->root, "a.so\tx\ty\n"), 0);
	assert_int_equal(record_read_unit(&b->root, &u), 0);
	assert_string_equal(u.record, "a.so\tx\ty\n");
	assert_string_equal(u.record_invocation, start_id);
	assert_false(u.record_late);
	loaded_fingerprint(u.record, fingerprint);
	assert_string_equal(u.forbidden, fingerprint);
	assert_int_equal(record_forbid(&b->root, NULL), 0);
	assert_int_equal(record_read_unit(&b->root, &u), 0);
	assert_null(u.forbidden);
	assert_int_equal(record_write_asked(&b->root, set), 0);
	assert_int_equal(record_read_asked(&b->root, &asked), 0);
	assert_string_equal(asked, set);
	assert_int_equal(record_write_asked(&b->root, NULL), 0);
	assert_int_equal(record_read_asked(&b->root, &asked), 0);
	assert_null(asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		WITH(test_rule_18_what_is_asked_is_read_as_it_was),
		WITH(test_rule_18_another_format_is_not_known_and_stays),
		WITH(test_rule_18_so_many_and_no_more),
		WITH(test_rule_18_nobody_answers),
		WITH(test_rule_18_a_request_is_an_event),
		WITH(test_answers_are_read_as_they_were),
		WITH(test_an_answer_of_another_format_is_none),
		cmocka_unit_test(test_the_gravest_word_and_the_slowest_unit_count),
		WITH(test_waiting_ends_with_the_word),
		WITH(test_rule_18_the_last_sixteen_starts),
		WITH(test_records_of_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
