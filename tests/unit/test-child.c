/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/child.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define LONG_ENOUGH (60 * USEC_PER_SEC)
#define _cleanup_answer_ _cleanup_(child_answer_done)

static void ask_shell(const char *script, size_t max, uint64_t timeout_usec, struct child_answer *a)
{
	_cleanup_strv_ char **argv = NULL, **envp = NULL;

	assert_int_equal(strv_add(&argv, "/bin/sh"), 0);
	assert_int_equal(strv_add(&argv, "-c"), 0);
	assert_int_equal(strv_add(&argv, script), 0);
	assert_int_equal(strv_add(&envp, "GIVEN=1"), 0);
	assert_int_equal(child_ask((const char *const *)argv, (const char *const *)envp, max,
				   timeout_usec, a),
			 0);
	assert_non_null(a->text);
	/* Whatever happened, nothing is left to wait for. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void check(const char *script, enum child_end end, int number, const char *text)
{
	_cleanup_answer_ struct child_answer a = {0};

	ask_shell(script, 100, LONG_ENOUGH, &a);
	assert_int_equal(a.end, end);
	assert_int_equal(a.number, number);
	assert_string_equal(a.text, text);
}

static void test_how_it_ended_is_told(void **state)
{
	UNUSED(state);
	check("echo hello", CHILD_EXITED, 0, "hello\n");
	check("true", CHILD_EXITED, 0, "");
	check("echo part; exit 3", CHILD_EXITED, 3, "part\n");
	check("kill -SEGV $$", CHILD_SIGNALLED, SIGSEGV, "");
	check("exec >&-; kill -ABRT $$", CHILD_SIGNALLED, SIGABRT, "");
}

static void test_a_program_that_cannot_be_run(void **state)
{
	_cleanup_answer_ struct child_answer a = {0}, b = {0};
	const char *const none[] = {NULL}, *const missing[] = {"/nonexistent/program", NULL},
			  *const directory[] = {"/", NULL};

	UNUSED(state);
	assert_int_equal(child_ask(missing, none, 10, LONG_ENOUGH, &a), 0);
	assert_int_equal(a.end, CHILD_NOT_RUN);
	assert_int_equal(a.number, ENOENT);
	assert_string_equal(a.text, "");
	assert_int_equal(child_ask(directory, none, 10, LONG_ENOUGH, &b), 0);
	assert_int_equal(b.end, CHILD_NOT_RUN);
	assert_int_equal(b.number, EACCES);
}

static void test_the_bound(void **state)
{
	_cleanup_answer_ struct child_answer just = {0}, more = {0}, endless = {0};

	UNUSED(state);
	ask_shell("printf 1234567890", 10, LONG_ENOUGH, &just);
	assert_int_equal(just.end, CHILD_EXITED);
	assert_string_equal(just.text, "1234567890");
	ask_shell("printf 12345678901", 10, LONG_ENOUGH, &more);
	assert_int_equal(more.end, CHILD_FLOODED);
	ask_shell("while :; do echo yes; done", 4096, LONG_ENOUGH, &endless);
	assert_int_equal(endless.end, CHILD_FLOODED);
	assert_in_range(strlen(endless.text), 4096, 4097);
}

static void test_the_time_limit(void **state)
{
	_cleanup_answer_ struct child_answer quiet = {0}, chatty = {0}, closed = {0};

	UNUSED(state);
	ask_shell("echo before; sleep 1000", 100, 300 * USEC_PER_MSEC, &quiet);
	assert_int_equal(quiet.end, CHILD_TIMED_OUT);
	assert_string_equal(quiet.text, "before\n");
	ask_shell("trap '' TERM INT HUP; sleep 1000 & wait", 100, 300 * USEC_PER_MSEC, &chatty);
	assert_int_equal(chatty.end, CHILD_TIMED_OUT);
	ask_shell("exec >&-; sleep 1000", 100, 300 * USEC_PER_MSEC, &closed);
	assert_int_equal(closed.end, CHILD_TIMED_OUT);
}

static bool gone(pid_t pid)
{
	struct timespec pause = {.tv_nsec = 10000000};

	for (int i = 0; i < 6000; i++) {
		_cleanup_free_ char *path = NULL, *line = NULL;
		_cleanup_fclose_ FILE *f = NULL;
		size_t room = 0;

		if (kill(pid, 0) < 0 && errno == ESRCH)
			return true;
		/* Without an init to reap it, it stays a zombie for good. */
		assert_true(asprintf(&path, "/proc/%d/stat", (int)pid) > 0);
		f = fopen(path, "re");
		if (!f || getline(&line, &room, f) < 0 || strstr(line, ") Z "))
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

/* It keeps the pipe open for a thousand seconds: an answer now means that nobody waited for it. */
static void test_a_grandchild_is_neither_waited_for_nor_left(void **state)
{
	_cleanup_answer_ struct child_answer a = {0};
	int pid;

	UNUSED(state);
	ask_shell("sleep 1000 & echo $!", 100, LONG_ENOUGH, &a);
	assert_int_equal(a.end, CHILD_EXITED);
	assert_int_equal(a.number, 0);
	pid = (int)strtol(a.text, NULL, 10);
	assert_true(pid > 1);
	assert_true(gone(pid));
}

static void test_what_the_child_starts_with(void **state)
{
	_cleanup_close_ int leak = open("/", O_PATH); /* without O_CLOEXEC, on purpose */
	_cleanup_answer_ struct child_answer fds = {0}, env = {0}, input = {0}, group = {0};
	_cleanup_free_ char *script = NULL;

	UNUSED(state);
	assert_true(asprintf(&script, "test ! -e /proc/self/fd/%d && echo closed", leak) > 0);
	ask_shell(script, 100, LONG_ENOUGH, &fds);
	assert_string_equal(fds.text, "closed\n");
	ask_shell("echo $GIVEN/$HOME/$USER/$LANG", 100, LONG_ENOUGH, &env);
	assert_string_equal(env.text, "1///\n");
	ask_shell("cat; readlink /proc/self/fd/2; pwd", 100, LONG_ENOUGH, &input);
	assert_string_equal(input.text, "/dev/null\n/\n");
	ask_shell("read -r pid name state parent pgrp session rest </proc/$$/stat;"
		  "test $pgrp = $$ && test $session = $$ && echo own",
		  100, LONG_ENOUGH, &group);
	assert_string_equal(group.text, "own\n");
}

static void test_signals_are_the_defaults_in_the_child(void **state)
{
	_cleanup_answer_ struct child_answer a = {0};
	sigset_t all, before;
	const char *line;

	UNUSED(state);
	(void)sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_SETMASK, &all, &before), 0);
	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	ask_shell("grep -E '^Sig(Blk|Ign):' /proc/self/status", 200, LONG_ENOUGH, &a);
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	assert_non_null(strstr(a.text, "SigBlk:\t0000000000000000\n"));
	/* Two numbers are libc's own and cannot be set by anybody (32 and 33). */
	line = strstr(a.text, "SigIgn:\t");
	assert_non_null(line);
	assert_int_equal(strtoull(line + 8, NULL, 16) & ~0x180000000ULL, 0);
}

static size_t open_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_nothing_leaks(void **state)
{
	size_t before = open_fds();

	UNUSED(state);
	for (int i = 0; i < 20; i++)
		check("echo x", CHILD_EXITED, 0, "x\n");
	assert_int_equal(open_fds(), before);
}

/* No descriptor left: that is no word about the program, but an error of ours. */
static void test_failure_leaves_the_result_alone(void **state)
{
	const char *const argv[] = {"/bin/sh", NULL}, *const envp[] = {NULL};
	struct child_answer a = {.number = 42};
	struct rlimit before, none;

	UNUSED(state);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(child_ask(argv, envp, 10, LONG_ENOUGH, &a), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(a.number, 42);
	assert_null(a.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_how_it_ended_is_told),
		cmocka_unit_test(test_a_program_that_cannot_be_run),
		cmocka_unit_test(test_the_bound),
		cmocka_unit_test(test_the_time_limit),
		cmocka_unit_test(test_a_grandchild_is_neither_waited_for_nor_left),
		cmocka_unit_test(test_what_the_child_starts_with),
		cmocka_unit_test(test_signals_are_the_defaults_in_the_child),
		cmocka_unit_test(test_nothing_leaks),
		cmocka_unit_test(test_failure_leaves_the_result_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
