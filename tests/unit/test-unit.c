/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/unit.h"

#include "base/str.h"
#include "sys/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include <cmocka.h>

/* A private bus with the double of the service manager (tests/double) on it. */

#define LIMIT (10 * USEC_PER_SEC)
#define VSMTP "vsmtp.service"

struct bench {
	char dir[64], address[128], log[128];
	pid_t bus, manager;
	struct unit_manager *m;
};

static void nap(void)
{
	const struct timespec t = {.tv_nsec = 5000000};

	nanosleep(&t, NULL);
}

static pid_t spawn(char *const *argv)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(argv[0], argv);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

static void end(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

/* How many lines of the double's log are just this one? */
static int count(const struct bench *b, const char *line)
{
	FILE *f = fopen(b->log, "re");
	char text[1024];
	int n = 0;

	while (f && fgets(text, sizeof(text), f)) {
		text[strcspn(text, "\n")] = '\0';
		n += strcmp(text, line) == 0;
	}
	if (f)
		(void)fclose(f);
	return n;
}

static void await_line(const struct bench *b, const char *line)
{
	for (int i = 0; count(b, line) == 0; i++) {
		assert_true(i < 4000);
		nap();
	}
}

/* The socket is there a little before anybody listens. */
static bool answers(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0;
}

static void start_bus(struct bench *b)
{
	char conf[128], arg[160];
	FILE *f;

	(void)snprintf(conf, sizeof(conf), "%s/conf", b->dir);
	(void)snprintf(arg, sizeof(arg), "--config-file=%s", conf);
	f = fopen(conf, "we");
	assert_non_null(f);
	(void)fprintf(
		f,
		"<busconfig><listen>%s</listen><policy context=\"default\"><allow user=\"*\"/>"
		"<allow own=\"*\"/><allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>\n",
		b->address);
	(void)fclose(f);
	b->bus = spawn((char *[]){(char[]){"dbus-daemon"}, (char[]){"--nofork"}, arg, NULL});
	for (int i = 0; !answers(strchr(b->address, '/')); i++) {
		assert_true(i < 4000);
		assert_int_equal(waitpid(b->bus, NULL, WNOHANG), 0);
		nap();
	}
}

static void start_manager(struct bench *b)
{
	char *program = getenv("SYSTEMD1_DOUBLE");

	assert_non_null(program);
	b->manager = spawn((char *[]){program, b->log, (char[]){VSMTP " start"}, NULL});
	await_line(b, "ready");
}

static int teardown(void **state)
{
	struct bench *b = *state;
	static const char *const names[] = {"conf", "bus", "log", "log.notify"};
	char path[160];

	unit_manager_close(b->m);
	end(&b->manager);
	end(&b->bus);
	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(b->dir);
	free(b);
	return 0;
}

static int setup_bus(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	*state = b;
	(void)snprintf(b->dir, sizeof(b->dir), "/tmp/test-unit-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	(void)snprintf(b->address, sizeof(b->address), "unix:path=%s/bus", b->dir);
	(void)snprintf(b->log, sizeof(b->log), "%s/log", b->dir);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", b->address, 1);
	start_bus(b);
	return 0;
}

static int setup(void **state)
{
	struct bench *b;

	setup_bus(state);
	b = *state;
	start_manager(b);
	assert_int_equal(unit_manager_open(LIMIT, &b->m), 0);
	return 0;
}

static void apply(const char *line)
{
	sd_bus *bus = NULL;

	assert_true(sd_bus_open_system(&bus) >= 0);
	assert_true(sd_bus_call_method(bus, "org.freedesktop.systemd1", "/control",
				       "vsmtp.test.Double1", "Apply", NULL, NULL, "s", line) >= 0);
	sd_bus_flush_close_unref(bus);
}

static struct unit_facts look(struct bench *b, const char *name)
{
	struct unit_facts u = {0};

	assert_int_equal(unit_read(b->m, name, &u), 0);
	assert_string_equal(u.name, name);
	return u;
}

static void check_state(struct bench *b, const char *line, enum unit_state state, const char *text)
{
	_cleanup_(unit_facts_done) struct unit_facts u = {0};

	apply(line);
	u = look(b, VSMTP);
	assert_int_equal(u.state, state);
	assert_string_equal(u.sub_state, text);
}

static void test_reads_an_active_unit(void **state)
{
	_cleanup_(unit_facts_done) struct unit_facts u = look(*state, VSMTP);
	struct timespec now;
	uint64_t usec;

	clock_gettime(CLOCK_REALTIME, &now);
	usec = (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
	assert_int_equal(u.error, 0);
	assert_int_equal(u.state, UNIT_ACTIVE);
	assert_string_equal(u.sub_state, "active (running)");
	assert_int_equal(strlen(u.invocation), 32);
	assert_int_equal(strspn(u.invocation, "0123456789abcdef"), 32);
	assert_true(u.start_usec > usec - 60 * USEC_PER_SEC && u.start_usec <= usec);
	assert_true(u.main_pid > 0);
	assert_false(u.own_reload);
	assert_int_equal(u.error, 0);
}

static void test_reads_every_state(void **state)
{
	check_state(*state, VSMTP " active activating", UNIT_CHANGING, "activating");
	check_state(*state, VSMTP " active deactivating", UNIT_CHANGING, "deactivating");
	check_state(*state, VSMTP " active reloading", UNIT_CHANGING, "reloading");
	check_state(*state, VSMTP " active inactive", UNIT_INACTIVE, "inactive (dead)");
	check_state(*state, VSMTP " active failed", UNIT_INACTIVE, "failed");
	check_state(*state, VSMTP " active active", UNIT_ACTIVE, "active (running)");
	check_state(*state, VSMTP " load masked", UNIT_INACTIVE, "masked");
	check_state(*state, VSMTP " load not-found", UNIT_MISSING, "not-found");
}

static void test_a_unit_that_never_ran_has_no_invocation(void **state)
{
	_cleanup_(unit_facts_done) struct unit_facts u = {0};

	apply("other.service load loaded");
	u = look(*state, "other.service");
	assert_int_equal(u.state, UNIT_INACTIVE);
	assert_null(u.invocation);
	assert_int_equal(u.start_usec, 0);
}

static void test_a_bad_name_is_a_fact(void **state)
{
	_cleanup_(unit_facts_done) struct unit_facts u = look(*state, "no-suffix");

	assert_int_equal(u.state, UNIT_UNKNOWN);
	assert_int_equal(u.error, EINVAL);
}

static void check_reload(struct bench *b, const char *line, bool own)
{
	_cleanup_(unit_facts_done) struct unit_facts u = {0};

	apply(line);
	u = look(b, VSMTP);
	assert_int_equal(u.own_reload, own);
}

static void test_rule_19_our_own_reload_line_is_not_the_units(void **state)
{
	check_reload(*state, VSMTP " reload /usr/bin/vsmtp-pluginctl", false);
	check_reload(*state, VSMTP " reload /bin/kill", true);
	check_reload(*state, VSMTP " reload /bin/kill /usr/bin/vsmtp-pluginctl", true);
	check_reload(*state, VSMTP " reload /usr/bin/vsmtp-pluginctl /bin/kill", true);
	check_reload(*state, VSMTP " reload", false);
}

static void test_rule_18_what_the_manager_knows_of_our_start_hook(void **state)
{
	static const struct {
		const char *line;
		bool hook, own_root, ended;
		int status;
	} cases[] = {
		{VSMTP " start", true, false, false, 0},
		{VSMTP " root /srv/jail", true, true, false, 0},
		{VSMTP " hook exit 7", true, true, false, 0},
		{VSMTP " start", true, true, true, 7},
		{VSMTP " drop-in no", false, true, false, 0},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(unit_facts_done) struct unit_facts u = {0};

		apply(cases[i].line);
		u = look(*state, VSMTP);
		assert_int_equal(u.hook, cases[i].hook);
		assert_int_equal(u.own_root, cases[i].own_root);
		assert_int_equal(u.hook_ended, cases[i].ended);
		assert_int_equal(u.hook_status, cases[i].status);
	}
}

static int run_job(struct bench *b, enum unit_job job, uint64_t limit, char **ret)
{
	int r = unit_ask_job(b->m, VSMTP, job);

	return r < 0 ? r : unit_await_job(b->m, limit, ret);
}

static void check_job(struct bench *b, enum unit_job job, const char *delay, const char *result)
{
	_cleanup_free_ char *got = NULL;
	char line[64];

	apply(VSMTP " active active");
	(void)snprintf(line, sizeof(line), VSMTP " result %s", result);
	apply(line);
	(void)snprintf(line, sizeof(line), VSMTP " delay %s", delay);
	apply(line);
	assert_int_equal(run_job(b, job, LIMIT, &got), 0);
	assert_string_equal(got, result);
}

static void test_a_job_is_awaited(void **state)
{
	struct bench *b = *state;
	static const char *const delays[] = {"0", "-1", "50"};

	apply(VSMTP " reload /bin/kill");
	for (size_t i = 0; i < ELEMENTSOF(delays); i++) {
		check_job(b, UNIT_JOB_TRY_RESTART, delays[i], "done");
		check_job(b, UNIT_JOB_RELOAD, delays[i], "done");
		check_job(b, UNIT_JOB_TRY_RESTART, delays[i], "failed");
		check_job(b, UNIT_JOB_TRY_RESTART, delays[i], "canceled");
	}
	assert_int_equal(count(b, "Subscribe"), 1);
	assert_int_equal(count(b, "job " VSMTP " done"), 6);
}

static void test_a_job_changes_the_invocation(void **state)
{
	_cleanup_(unit_facts_done) struct unit_facts before = look(*state, VSMTP), after = {0};

	check_job(*state, UNIT_JOB_TRY_RESTART, "0", "done");
	after = look(*state, VSMTP);
	assert_string_not_equal(before.invocation, after.invocation);
	assert_true(after.start_usec > before.start_usec);
}

static void test_a_job_without_end_times_out(void **state)
{
	struct bench *b = *state;
	_cleanup_free_ char *got = NULL;

	apply(VSMTP " result never");
	assert_int_equal(run_job(b, UNIT_JOB_TRY_RESTART, 200000, &got), -ETIMEDOUT);
	assert_null(got);
	check_job(b, UNIT_JOB_TRY_RESTART, "0", "done"); /* and the next one is not confused */
}

static void test_a_job_that_is_refused(void **state)
{
	struct bench *b = *state;
	_cleanup_free_ char *got = NULL;

	assert_true(run_job(b, UNIT_JOB_RELOAD, LIMIT, &got) < 0);
	apply(VSMTP " load masked");
	assert_true(run_job(b, UNIT_JOB_TRY_RESTART, LIMIT, &got) < 0);
	assert_null(got);
}

static void test_rule_19_reset_failed(void **state)
{
	struct bench *b = *state;

	assert_int_equal(unit_reset_failed(b->m, VSMTP), 0);
	assert_int_equal(unit_reset_failed(b->m, "missing.service"), 0);
	assert_int_equal(count(b, "ResetFailedUnit " VSMTP), 1);
}

static void test_the_executor_is_started(void **state)
{
	struct bench *b = *state;

	apply("executor command /bin/false");
	assert_int_equal(unit_start(b->m, UNIT_EXECUTOR), 0);
	await_line(b, "executor exit 1");
	assert_int_equal(count(b, "Subscribe"), 0); /* nothing is awaited */
	assert_int_equal(unit_start(b->m, UNIT_ASKED), 0);
	assert_true(unit_start(b->m, VSMTP) < 0);
}

/* Looked at once, and then heard of: each wait ends when something has happened to it. */
static void test_changes_are_heard_of(void **state)
{
	struct bench *b = *state;
	_cleanup_(unit_facts_done) struct unit_facts u = {0};
	uint64_t late = clock_usec(CLOCK_MONOTONIC) + LIMIT;

	assert_int_equal(unit_subscribe(b->m), 0);
	u = look(b, VSMTP);
	assert_false(u.job);
	apply("other.service active activating"); /* nobody's business */
	assert_int_equal(unit_wait(b->m, -1, clock_usec(CLOCK_MONOTONIC) + 50000), 0);
	apply(VSMTP " active activating");
	assert_int_equal(unit_wait(b->m, -1, late), 0);
	apply(VSMTP " job 7");
	unit_facts_done(&u);
	u = look(b, VSMTP);
	assert_true(u.job);
	apply(VSMTP " job 0");
	assert_int_equal(unit_wait(b->m, -1, late), 0);
	assert_true(clock_usec(CLOCK_MONOTONIC) < late);
}

static void test_the_managers_own_names(void **state)
{
	struct bench *b = *state;
	_cleanup_(unit_facts_done) struct unit_facts u = {0};

	apply("mail.service name " VSMTP);
	u = look(b, "mail.service");
	assert_string_equal(unit_facts_id(&u), VSMTP);
	assert_true(unit_facts_is_called(&u, "mail.service"));
	assert_true(unit_facts_is_called(&u, VSMTP));
	assert_false(unit_facts_is_called(&u, "other.service"));
	assert_int_equal(u.start_limit_usec, 90 * USEC_PER_SEC);
	assert_int_equal(u.state, UNIT_ACTIVE);
}

static void test_a_silent_bus_is_a_failure(void **state)
{
	struct unit_manager *m = NULL;

	UNUSED(state);
	if (access("/run/systemd/private", F_OK) == 0)
		skip();
	setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
	assert_true(unit_manager_open(100000, &m) < 0);
	assert_null(m);
}

/* As while it is executed anew: nobody owns its name. */
static void test_a_manager_that_comes_back_is_waited_for(void **state)
{
	struct bench *b = *state;
	struct unit_manager *m = NULL;
	int status = -1;
	pid_t pid;

	assert_true(unit_manager_open(100000, &m) < 0);
	pid = fork();
	if (pid == 0)
		_exit(unit_manager_open(LIMIT, &m) != 0);
	nap();
	start_manager(b);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_the_manager_goes_away(void **state)
{
	struct bench *b = *state;
	_cleanup_(unit_facts_done) struct unit_facts u = {0};

	end(&b->manager);
	u = look(b, VSMTP);
	assert_int_equal(u.state, UNIT_UNKNOWN);
	assert_true(u.error > 0 && u.error != ENOTCONN);
}

static void test_the_connection_is_lost_while_waiting(void **state)
{
	struct bench *b = *state;
	_cleanup_free_ char *got = NULL;
	_cleanup_(unit_facts_done) struct unit_facts u = {0};
	pid_t killer;

	apply(VSMTP " delay 600000");
	killer = fork();
	if (killer == 0) {
		while (count(b, "TryRestartUnit " VSMTP) == 0)
			nap();
		kill(b->bus, SIGKILL);
		_exit(0);
	}
	assert_int_equal(run_job(b, UNIT_JOB_TRY_RESTART, 60 * USEC_PER_SEC, &got), -ECONNRESET);
	waitpid(killer, NULL, 0);
	assert_null(got);
	u = look(b, VSMTP);
	assert_int_equal(u.state, UNIT_UNKNOWN);
	assert_int_equal(u.error, ECONNRESET);
}

static void test_a_bus_that_never_answers_is_bounded(void **state)
{
	struct bench *b = *state;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct unit_manager *m = NULL;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	end(&b->bus);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", strchr(b->address, '/'));
	(void)unlink(a.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 5), 0);
	if (access("/run/systemd/private", F_OK) == 0)
		skip();
	assert_int_equal(unit_manager_open(200000, &m), -ETIMEDOUT);
	assert_null(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)
		WITH(test_reads_an_active_unit, setup),
		WITH(test_reads_every_state, setup),
		WITH(test_a_unit_that_never_ran_has_no_invocation, setup),
		WITH(test_a_bad_name_is_a_fact, setup),
		WITH(test_rule_19_our_own_reload_line_is_not_the_units, setup),
		WITH(test_rule_18_what_the_manager_knows_of_our_start_hook, setup),
		WITH(test_a_job_is_awaited, setup),
		WITH(test_a_job_changes_the_invocation, setup),
		WITH(test_a_job_without_end_times_out, setup),
		WITH(test_a_job_that_is_refused, setup),
		WITH(test_rule_19_reset_failed, setup),
		WITH(test_the_executor_is_started, setup),
		WITH(test_changes_are_heard_of, setup),
		WITH(test_the_managers_own_names, setup),
		WITH(test_a_silent_bus_is_a_failure, setup_bus),
		WITH(test_a_manager_that_comes_back_is_waited_for, setup_bus),
		WITH(test_the_manager_goes_away, setup),
		WITH(test_the_connection_is_lost_while_waiting, setup),
		WITH(test_a_bus_that_never_answers_is_bounded, setup_bus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
