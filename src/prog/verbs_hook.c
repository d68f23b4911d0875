/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reload --hook=UNIT: the ExecReload= of a server that has none. It runs in the unit's own reload
 * job, so it never waits for the executor, which is ordered behind that job and restarts then. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/wording.h"
#include "prog/log.h"
#include "sys/state.h"

#include <time.h>

#define CALL_LIMIT_USEC (5 * USEC_PER_SEC)
#define LAST_WORD_LOOKS 5000
#define LAST_WORD_STEP_NSEC 2000000L

/* By the stream, not as a message: the journal knows whose stream it is, while of a process that is
 * gone it cannot tell the unit any more. */
static void say_refused(const char *unit, const char *reason)
{
	const char *priority = getenv("JOURNAL_STREAM") ? "<3>" : "";

	(void)fprintf(stderr, "%svsmtp-pluginctl: %s runs on as it is, the reload is refused: %s\n",
		      priority, unit, reason);
}

/* The manager has lines of its own to say when the reload fails. The reason is to stand below them,
 * so one of us stays until the job is over, and says it again. */
static void say_last(const char *unit, const char *reason)
{
	const struct timespec step = {.tv_nsec = LAST_WORD_STEP_NSEC};
	struct unit_manager *m = NULL;
	bool over = false;

	if (fork() != 0)
		return;
	if (unit_manager_open(CALL_LIMIT_USEC, &m) < 0)
		_exit(CTL_FAILED);
	for (unsigned i = 0; i < LAST_WORD_LOOKS && !over; i++) {
		struct unit_facts u = {0};

		over = unit_read(m, unit, &u) < 0 || u.state != UNIT_CHANGING;
		unit_facts_done(&u);
		if (!over)
			(void)nanosleep(&step, NULL);
	}
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

/* Links right, and a restart neither certain to fail nor somebody else's: 0, else refused. */
static int sync_and_check(struct ctl *c, const struct unit_facts *u)
{
	_cleanup_(pass_done) struct pass p = {0};
	_cleanup_free_ char *reason = NULL;
	enum refusal refusal;
	int r = pass_run(&c->root, c->observer, &p);

	if (r < 0)
		return refuse(c, u, strerror(-r));
	for (size_t i = 0; i < p.outcome.n_changes; i++) {
		_cleanup_free_ char *text = NULL;

		r = wording_change(&p.outcome.changes[i], p.config.links, &text);
		if (r < 0)
			return r;
		log_msg(LOG_NOTICE, "%s", text);
	}
	if (!strv_has(p.config.units, c->unit))
		return refuse(c, u, "Unit= does not name this unit");
	refusal = refusal_find(&p.config, &p.seen, &p.plan);
	if (refusal == REFUSAL_NONE)
		return ctl_say_trouble(&p);
	r = wording_refusal(&p.config, &p.seen, &p.plan, refusal, &reason);
	return r < 0 ? r : refuse(c, u, reason);
}

/* The request is a fact on disk before anybody is asked to look for it. One that nobody could be
 * asked about is taken back: a restart that comes later, by surprise, was refused now. */
static int request(struct ctl *c, const struct unit_facts *u)
{
	_cleanup_(unit_facts_done) struct unit_facts asked = {0};
	int r = state_request_reload(&c->root, c->unit);

	if (r >= 0)
		r = unit_ask_executor(c->manager);
	if (r >= 0) {
		/* By the stream, as say_refused() does. */
		printf("%s: to be restarted when this reload is over\n", c->unit);
		return CTL_DONE;
	}
	if (str_replace(&asked.name, c->unit) >= 0 && state_read_unit(&c->root, &asked) >= 0)
		(void)!state_serve_request(&c->root, c->unit, asked.request_nsec);
	return refuse(c, u, strerror(-r));
}

int ctl_reload_hook(struct ctl *c)
{
	_cleanup_(unit_facts_done) struct unit_facts u = {0};
	int r;

	ctl_connect(c);
	if (!c->manager)
		return refuse(c, NULL,
			      c->manager_error ? strerror(-c->manager_error)
					       : "no service manager");
	r = unit_read(c->manager, c->unit, &u);
	if (r < 0)
		return r;
	if (u.state == UNIT_UNKNOWN)
		return refuse(c, NULL, strerror(u.error));
	/* Rule 19: a drop-in appends. The unit's own has done the work by now. */
	if (u.own_reload)
		return CTL_DONE;
	if (u.state != UNIT_ACTIVE && u.state != UNIT_CHANGING)
		return refuse(c, NULL, "it does not run");
	r = sync_and_check(c, &u);
	return r == 0 ? request(c, &u) : r;
}
