/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/executor_unit.h"

#include "base/str.h"
#include "core/wording.h"
#include "prog/log.h"
#include "sys/clock.h"

#include <systemd/sd-daemon.h>

/* A unit's own stop may take minutes (upstream's unit: 300 s), then its start. */
#define JOB_LIMIT_USEC (10 * 60 * USEC_PER_SEC)
/* Who changes may be waiting for us (a start hook that asks and waits), so not for ever. */
#define CHANGING_LIMIT_USEC (60 * USEC_PER_SEC)
#define CHANGING_POLL_USEC (100 * USEC_PER_MSEC)
#define TRIES_MAX 3
#define UNKNOWN_MAX 4

enum wish {
	WISH_NOTHING,
	WISH_WAIT,   /* it is starting, stopping or reloading */
	WISH_RETRY,  /* the manager did not answer */
	WISH_REFUSE, /* owed, but what would be loaded is not known (rule 9), or there is no server
		      */
	WISH_RELOAD,
};

struct executor_unit *executor_unit_get(struct executor *x, const char *name)
{
	struct executor_unit *more;
	_cleanup_free_ char *copy = NULL, *shown = NULL;

	for (size_t i = 0; i < x->n_units; i++)
		if (str_eq(x->units[i].name, name))
			return &x->units[i];

	copy = strdup(name);
	shown = str_escape(name);
	if (!copy || !shown)
		return NULL;
	more = reallocarray(x->units, x->n_units + 1, sizeof(*more));
	if (!more)
		return NULL;
	x->units = more;
	more[x->n_units] = (struct executor_unit){.name = TAKE_PTR(copy), .shown = TAKE_PTR(shown)};
	restart_init(&more[x->n_units].machine, 0, 0);
	return &more[x->n_units++];
}

void executor_unit_done(struct executor_unit *u)
{
	free(u->name);
	free(u->shown);
	free(u->asked_set);
	free(u->tried_set);
	free(u->given_up_set);
	*u = (struct executor_unit){0};
}

void executor_unit_retry(struct executor_unit *u)
{
	free(TAKE_PTR(u->given_up_set));
	free(TAKE_PTR(u->tried_set));
	u->tries = 0;
	u->changing_since = 0;
	u->machine.failures = 0;
}

static void give_up(struct executor_unit *u, const struct executor_look *l, size_t i)
{
	/* Out of memory: then it is tried again, which is bounded as well. */
	(void)!str_replace(&u->given_up_set, l->units.set);
	u->given_up_request = l->units.items[i].unit.request_nsec;
	restart_drop(&u->machine);
}

static bool gave_up(const struct executor_unit *u, const struct executor_look *l, size_t i)
{
	return u->given_up_set && str_eq(u->given_up_set, l->units.set) &&
	       l->units.items[i].unit.request_nsec <= u->given_up_request;
}

/* Is the set that was seen the one that the server would load? */
static bool is_known(const struct executor_look *l)
{
	const struct snapshot *s = &l->seen;

	if (l->config.not_known || s->server.state != SERVER_KNOWN)
		return false;
	for (size_t i = 0; i < s->n_stores; i++)
		if (s->stores[i].error)
			return false;
	return s->links.state == LINKS_FINE || s->links.state == LINKS_MISSING ||
	       s->links.state == LINKS_NO_PARENT;
}

static enum wish wish(const struct executor_unit *u, const struct executor_look *l, size_t i)
{
	const struct unit_owed *o = &l->units.items[i];

	if (l->config.action == ACTION_NONE || gave_up(u, l, i))
		return WISH_NOTHING;
	if (o->unit.state == UNIT_CHANGING)
		return WISH_WAIT;
	if (o->unit.state == UNIT_UNKNOWN)
		return WISH_RETRY;
	/* Never start a stopped one (rule 18). */
	if (o->unit.state != UNIT_ACTIVE || !owed_is(&o->owed))
		return WISH_NOTHING;
	/* A person may insist, except on the end of all mail. */
	if (l->seen.server.state == SERVER_ABSENT ||
	    (!is_known(l) && o->owed.why != OWED_REQUESTED))
		return WISH_REFUSE;
	return WISH_RELOAD;
}

bool executor_unit_wants(const struct executor_unit *u, const struct executor_look *l, size_t i)
{
	enum wish w = wish(u, l, i);

	return w == WISH_WAIT || w == WISH_RELOAD;
}

/* ---- what came of it ---- */

static int add_pair(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, "%s=", key);
	buf_escape(b, value);
	buf_add(b, "\n");
	return b->failed ? -ENOMEM : 0;
}

/* For `status`, and for whoever waited for us. */
static void write_result(const struct executor *x, const char *unit, const char *action,
			 const char *result, const char *why)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	char when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	int r;

	if (gmtime_r(&now, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	(void)add_pair(&b, "time", when);
	(void)add_pair(&b, "unit", unit);
	(void)add_pair(&b, "action", action);
	(void)add_pair(&b, "result", result);
	(void)add_pair(&b, "why", why);
	r = buf_take(&b, &text);
	if (r >= 0)
		r = state_write_text(x->root, STATE_FILE_LAST_RELOAD, text);
	if (r < 0)
		(void)log_errno(LOG_WARNING, r, "cannot write down the result");
}

static void report(const struct executor *x, const struct executor_unit *u,
		   const struct unit_owed *o, enum unit_job job, const char *result)
{
	_cleanup_free_ char *why = NULL, *unit_field = NULL;
	const char *action = job == UNIT_JOB_RELOAD ? "reload" : "restart";
	const char *fields[3] = {NULL, NULL, NULL};
	bool done = str_eq(result, "done");

	if (wording_owed(&o->unit, &o->owed, &why) < 0 ||
	    asprintf(&unit_field, "VSMTP_UNIT=%s", u->shown) < 0) {
		(void)log_errno(LOG_ERR, ENOMEM, "cannot report a %s", action);
		return;
	}
	fields[0] = unit_field;
	fields[1] = job == UNIT_JOB_RELOAD ? "VSMTP_ACTION=reload" : "VSMTP_ACTION=restart";
	if (done)
		log_fields(LOG_NOTICE, LOG_ID_RELOADED, fields, "%s: %s done (%s)", u->shown,
			   action, why);
	else
		log_fields(str_eq(result, "canceled") ? LOG_NOTICE : LOG_ERR, LOG_ID_RELOAD_FAILED,
			   fields, "%s: %s ended as \"%s\" (%s)", u->shown, action, result, why);
	write_result(x, o->unit.name, action, result, why);
}

/* ---- doing it ---- */

/* Does the world still look as it did? 1, 0, -errno. */
static int is_unchanged(struct executor *x, const struct executor_look *l)
{
	_cleanup_(snapshot_done) struct snapshot s = {0};
	_cleanup_free_ char *set = NULL;
	int r = observe(x->observer, &l->config, &s);

	if (r >= 0)
		r = loaded_set_make(&s, &set);
	return r < 0 ? r : str_eq(set, l->units.set);
}

/* A restart: the start hook has recorded what was loaded; where there is none, and nothing moved
 * meanwhile, it was the set that we saw. */
static int record_restart(struct executor *x, const struct executor_look *l, const char *name)
{
	_cleanup_(unit_facts_done) struct unit_facts u = {0};
	int r = unit_read(x->manager, name, &u);

	if (r >= 0)
		r = state_read_unit(x->root, &u);
	if (r < 0 || u.state != UNIT_ACTIVE || !u.invocation ||
	    str_eq(u.invocation, u.record_invocation))
		return r;
	r = is_unchanged(x, l);
	return r > 0 ? state_record_loaded(x->root, name, u.invocation, l->units.set) : r;
}

/* No start hook, and by the times it runs with all that is there: from now on a link that goes is
 * seen as well. */
static void record_unrecorded(struct executor *x, const struct executor_look *l, size_t i)
{
	const struct unit_facts *u = &l->units.items[i].unit;
	int r;

	if (u->state != UNIT_ACTIVE || l->units.items[i].owed.why != OWED_NOTHING ||
	    u->start_usec == 0 || str_eq(u->invocation, u->record_invocation) || !is_known(l))
		return;
	r = record_restart(x, l, u->name);
	if (r < 0)
		(void)log_errno(LOG_WARNING, r, "cannot record what was loaded");
}

/* A reload of the unit's own: no new start, so no hook. What was seen before it is recorded: if it
 * moved meanwhile, the next look finds that owed. */
static int record_reload(struct executor *x, const struct executor_look *l,
			 const struct unit_facts *u)
{
	int r = 0;

	if (u->invocation)
		r = state_record_loaded(x->root, u->name, u->invocation, l->units.set);
	if (r >= 0 && u->request_nsec > 0)
		r = state_serve_request(x->root, u->name, u->request_nsec);
	return r;
}

static int run_job(struct executor *x, const struct executor_unit *u, enum unit_job job, char **ret)
{
	int r = 0;

	/* The unit's stop and start may last longer than our own start may. */
	(void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu\nSTATUS=%s %s",
			 JOB_LIMIT_USEC + 60 * USEC_PER_SEC,
			 job == UNIT_JOB_RELOAD ? "Reloading" : "Restarting", u->shown);
	/* Restarts that are asked for count against the start limit: the sixth within 10 s would
	 * leave mail down (rule 19). */
	if (job == UNIT_JOB_TRY_RESTART)
		r = unit_reset_failed(x->manager, u->name);
	if (r >= 0)
		r = unit_run_job(x->manager, u->name, job, JOB_LIMIT_USEC, ret);
	return r;
}

static enum restart_result act(struct executor *x, struct executor_unit *u,
			       const struct executor_look *l, size_t i)
{
	const struct unit_owed *o = &l->units.items[i];
	enum unit_job job = l->config.action == ACTION_AUTO && o->unit.own_reload
				    ? UNIT_JOB_RELOAD
				    : UNIT_JOB_TRY_RESTART;
	_cleanup_free_ char *result = NULL;
	int r = run_job(x, u, job, &result);

	if (r < 0) {
		/* Not known what came of it: the next look tells. */
		report(x, u, o, job, strerror(-r));
		if (r == -ECONNRESET || r == -ETIMEDOUT)
			x->manager = unit_manager_close(x->manager);
		return RESTART_RESULT_FAILED;
	}
	report(x, u, o, job, result);
	if (str_eq(result, "done")) {
		r = job == UNIT_JOB_RELOAD ? record_reload(x, l, &o->unit)
					   : record_restart(x, l, u->name);
		if (r < 0)
			(void)log_errno(LOG_ERR, r, "cannot record what was loaded");
	} else if (!str_eq(result, "canceled")) {
		/* A failed unit is not running; one whose reload failed runs on. Trying again is
		 * for whoever asks next. */
		x->failed = true;
		give_up(u, l, i);
	}
	return RESTART_RESULT_DONE;
}

static uint64_t step_reload(struct executor *x, struct executor_unit *u,
			    const struct executor_look *l, size_t i, uint64_t now_usec)
{
	const struct unit_owed *o = &l->units.items[i];
	bool same = str_eq(u->tried_set, l->units.set);
	enum restart_result result;
	int r;

	if (same && u->tries >= TRIES_MAX) {
		log_msg(LOG_ERR, "%s: %d attempts, and still owed: left until asked again",
			u->shown, TRIES_MAX);
		x->failed = true;
		give_up(u, l, i);
		return USEC_INFINITY;
	}
	if (o->owed.why == OWED_REQUESTED && o->unit.request_waits)
		restart_ask_now(&u->machine, now_usec);
	else if (u->machine.state == RESTART_IDLE || !str_eq(u->asked_set, l->units.set) ||
		 u->asked_request != o->unit.request_nsec)
		restart_ask(&u->machine, now_usec);
	u->asked_request = o->unit.request_nsec;
	if (str_replace(&u->asked_set, l->units.set) < 0)
		return now_usec + CHANGING_POLL_USEC;
	if (!restart_begin(&u->machine, now_usec))
		return restart_due_usec(&u->machine);

	/* The set was seen before the unit was asked about: had somebody else restarted it in
	 * between, on a newer set, this would be one restart too many. */
	r = is_unchanged(x, l);
	if (r <= 0) {
		restart_end(&u->machine, now_usec, RESTART_RESULT_AGAIN);
		return restart_due_usec(&u->machine);
	}
	u->tries = same ? u->tries + 1 : 1;
	if (str_replace(&u->tried_set, l->units.set) < 0)
		u->tries = TRIES_MAX;
	result = act(x, u, l, i);
	restart_end(&u->machine, clock_usec(CLOCK_MONOTONIC), result);
	return 0; /* look again at once: done, or owed anew */
}

static uint64_t step_wait(struct executor_unit *u, const struct executor_look *l, size_t i,
			  uint64_t now_usec)
{
	if (u->changing_since == 0)
		u->changing_since = now_usec;
	if (now_usec - u->changing_since < CHANGING_LIMIT_USEC)
		return now_usec + CHANGING_POLL_USEC;
	log_msg(LOG_NOTICE, "%s: %s for a minute: left until asked again", u->shown,
		l->units.items[i].unit.sub_state ? l->units.items[i].unit.sub_state : "changing");
	give_up(u, l, i);
	return USEC_INFINITY;
}

static uint64_t step_retry(struct executor *x, struct executor_unit *u,
			   const struct executor_look *l, size_t i, uint64_t now_usec)
{
	if (u->machine.failures >= UNKNOWN_MAX) {
		(void)log_errno(LOG_ERR, l->units.items[i].unit.error,
				"the service manager does not answer");
		x->failed = true;
		give_up(u, l, i);
		return USEC_INFINITY;
	}
	if (u->machine.state == RESTART_IDLE)
		restart_ask_now(&u->machine, now_usec);
	if (restart_begin(&u->machine, now_usec)) {
		x->manager = unit_manager_close(x->manager);
		restart_end(&u->machine, now_usec, RESTART_RESULT_FAILED);
	}
	return restart_due_usec(&u->machine);
}

static void refuse(struct executor *x, const struct executor_unit *u, const struct executor_look *l)
{
	if (l->seen.server.state == SERVER_ABSENT) {
		log_msg(LOG_WARNING, "%s: runs on, though its program is gone: no restart",
			u->shown);
		return;
	}
	log_msg(LOG_ERR,
		"%s: a reload is owed, but what would be loaded is not known: it runs on as "
		"it is",
		u->shown);
	x->failed = true;
}

uint64_t executor_unit_step(struct executor *x, struct executor_unit *u,
			    const struct executor_look *l, size_t i, uint64_t now_usec)
{
	enum wish w = wish(u, l, i);

	if (w != WISH_WAIT)
		u->changing_since = 0;
	switch (w) {
	case WISH_WAIT:
		return step_wait(u, l, i, now_usec);
	case WISH_RETRY:
		return step_retry(x, u, l, i, now_usec);
	case WISH_RELOAD:
		return step_reload(x, u, l, i, now_usec);
	case WISH_REFUSE:
		refuse(x, u, l);
		give_up(u, l, i);
		return USEC_INFINITY;
	case WISH_NOTHING:
	default:
		restart_drop(&u->machine);
		if (!gave_up(u, l, i))
			u->tries = 0;
		record_unrecorded(x, l, i);
		return USEC_INFINITY;
	}
}
