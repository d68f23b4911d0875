/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reload --hook=UNIT: the ExecReload= of a server that has none. It runs in the unit's own reload
 * job, so it never waits for the executor, which is ordered behind that job and restarts then. */
#include "prog/ctl.h"

#include "prog/log.h"
#include "sys/asked.h"
#include "sys/booted.h"
#include "sys/clock.h"
#include "sys/state.h"

#define CALL_LIMIT_USEC (5 * USEC_PER_SEC)
#define LAST_WORD_USEC (10 * USEC_PER_SEC)

/* By the stream, not as a message: the journal knows whose stream it is, while of a process that is
 * gone it cannot tell the unit any more. */
static void say_refused(const char *unit, const char *reason)
{
	const char *priority = getenv("JOURNAL_STREAM") ? "<3>" : "";

	(void)fprintf(stderr, "%svsmtp-pluginctl: %s runs on as it is, the reload is refused: %s\n",
		      priority, unit, reason);
}

/* Until the unit is not changing any more, hearing of it from the manager. */
static void await_end(struct unit_manager *m, const char *unit)
{
	uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + LAST_WORD_USEC;
	int r = unit_subscribe(m);

	while (r >= 0 && clock_usec(CLOCK_MONOTONIC) < deadline) {
		_cleanup_(unit_facts_done) struct unit_facts u = {0};

		r = unit_read(m, unit, &u);
		if (r >= 0 && u.state != UNIT_CHANGING)
			return;
		if (r >= 0)
			r = unit_wait(m, -1, deadline);
	}
}

/* The manager has lines of its own to say when the reload fails. The reason is to stand below them,
 * so one of us stays until the job is over, and says it again. */
static void say_last(const char *unit, const char *reason)
{
	struct unit_manager *m = NULL;

	if (fork() != 0)
		return;
	if (unit_manager_open(CALL_LIMIT_USEC, &m) < 0)
		_exit(CTL_FAILED);
	await_end(m, unit);
	say_refused(unit, reason);
	_exit(CTL_DONE);
}

static int refuse(const struct ctl *c, const struct unit_facts *u, const char *reason)
{
	(void)fflush(stdout);
	say_refused(c->unit, reason);
	if (u && u->state == UNIT_CHANGING)
		say_last(c->unit, reason);
	return CTL_FAILED;
}

static bool is_configured(const struct config *c, const struct unit_facts *u)
{
	for (char **name = c->units; name && *name; name++)
		if (unit_facts_is_called(u, *name))
			return true;
	return false;
}

/* decide() on the unit as if the request lay there already. 0: it may go on to a restart, else it
 * is refused. */
static int check(const struct ctl *c, const struct unit_facts *u, const struct pass *p,
		 const struct request *q)
{
	_cleanup_(decision_done) struct decision d = {0};
	_cleanup_free_ char *set = NULL;
	_cleanup_buf_ struct buf reason = BUF_INIT;
	struct request copy = *q;
	const struct requests requests = {.items = &copy, .n = 1};
	const struct starts starts = {0};
	uint64_t now = clock_usec(CLOCK_BOOTTIME);
	int r = loaded_set_make(&p->seen, &set);

	if (r >= 0)
		r = decide(&(struct decide_facts){.config = &p->config,
						  .seen = &p->seen,
						  .plan = &p->plan,
						  .set = set,
						  .unit = u,
						  .requests = &requests,
						  .starts = &starts,
						  .now_usec = now},
			   &d);
	if (r < 0 || d.what != DECIDE_REFUSE)
		return r;
	word_refusal(&reason, &p->config, &p->seen, &p->plan, d.why);
	return refuse(c, u, buf_text(&reason));
}

/* Links right, and a restart neither certain to fail nor somebody else's: 0, else refused. */
static int sync_and_check(struct ctl *c, const struct unit_facts *u, const struct request *q)
{
	_cleanup_(pass_done) struct pass p = {0};
	const struct pass_how how = ctl_how(c, PASS_CHANGE | PASS_LOG);
	int r = pass_run(&how, &p);

	if (r < 0)
		return refuse(c, u, strerror(-r));
	if (!is_configured(&p.config, u))
		return refuse(c, u, "Unit= does not name this unit");
	r = check(c, u, &p, q);
	return r == 0 ? ctl_say(&p, CTL_SAY_TROUBLE) : r;
}

/* The request is a fact on disk; the executor hears of it, and waits for the end of this job. One
 * that nobody will hear of is taken back: a restart that comes later, by surprise, was refused now.
 */
static int request(struct ctl *c, const struct unit_facts *u, const struct request *q)
{
	_cleanup_free_ char *name = NULL;
	int r = asked_ask(&c->root, q, &name), started;

	if (r < 0)
		return refuse(c, u, strerror(-r));
	(void)!unit_start(c->manager, UNIT_ASKED);
	started = unit_start(c->manager, UNIT_EXECUTOR);
	if (started < 0 && name && state_role_pid(&c->root, STATE_ROLE_EXECUTOR) == 0) {
		(void)!asked_remove(&c->root, name);
		return refuse(c, u, UNIT_EXECUTOR " cannot be started");
	}
	/* By the stream, as say_refused() does. */
	printf("%s: to be restarted when this reload is over\n", c->unit);
	return CTL_DONE;
}

int ctl_reload_hook(struct ctl *c)
{
	_cleanup_(unit_facts_done) struct unit_facts u = {0};
	struct request q = {.kind = REQUEST_RELOAD};
	char none[] = "";
	int r;

	if (!booted(&c->root))
		return refuse(c, NULL, "no service manager");
	ctl_connect(c);
	if (!c->manager)
		return refuse(c, NULL, strerror(-c->manager_error));
	r = unit_read(c->manager, c->unit, &u);
	if (r < 0)
		return r;
	if (u.state == UNIT_UNKNOWN)
		return refuse(c, NULL, strerror(u.error));
	/* Rule 19: a drop-in appends. The unit's own has done the work by now. */
	if (u.own_reload)
		return CTL_DONE;
	if ((u.state != UNIT_ACTIVE && u.state != UNIT_CHANGING) || !u.invocation)
		return refuse(c, NULL, "it does not run");
	q.unit = u.names ? u.names[0] : u.name;
	q.replaces = u.invocation;
	q.set = none;
	r = sync_and_check(c, &u, &q);
	return r == 0 ? request(c, &u, &q) : r;
}
