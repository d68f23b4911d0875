/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/decide.h"

#include "base/str.h"
#include "core/restart.h"

#define TRIES_MAX 3
#define DISTANCE_MAX_USEC (30 * USEC_PER_SEC)
#define DISTANCE_FORGOTTEN_USEC (5 * 60 * USEC_PER_SEC)
/* A lock that is let go is an event; whoever misses it looks again. */
#define HELD_LOOK_USEC (5 * USEC_PER_SEC)

void request_done(struct request *r)
{
	free(r->name);
	free(r->unit);
	free(r->replaces);
	free(r->set);
	free(r->command);
	*r = (struct request){0};
}

void requests_done(struct requests *r)
{
	for (size_t i = 0; i < r->n; i++)
		request_done(&r->items[i]);
	free(r->items);
	*r = (struct requests){0};
}

bool request_is_about(const struct request *r, const struct unit_facts *u)
{
	return !*r->unit || unit_facts_is_called(u, r->unit);
}

void starts_add(struct starts *s, const struct start *made)
{
	if (s->n == STARTS_MAX)
		memmove(&s->items[0], &s->items[1], --s->n * sizeof(s->items[0]));
	s->items[s->n++] = *made;
}

void decision_done(struct decision *d)
{
	owed_done(&d->owed);
	*d = (struct decision){0};
}

static const char *const decide_what_codes[DECIDE_WHAT_MAX] = {
	[DECIDE_NOTHING] = "nothing",     [DECIDE_REFUSE] = "refuse",
	[DECIDE_FORBIDDEN] = "forbidden", [DECIDE_GIVE_UP] = "give-up",
	[DECIDE_WAIT] = "wait",           [DECIDE_WAIT_FOR_JOB] = "wait-for-job",
	[DECIDE_RELOAD] = "reload",       [DECIDE_RESTART] = "restart"};
DEFINE_TO_STRING(decide_what, decide_what_codes);

static const char *const decide_why_codes[DECIDE_WHY_MAX] = {
	[DECIDE_WHY_NOTHING_OWED] = "nothing-owed",
	[DECIDE_WHY_NOT_RUNNING] = "not-running",
	[DECIDE_WHY_NO_MANAGER] = "no-manager",
	[DECIDE_WHY_NO_ANSWER] = "no-answer",
	[DECIDE_WHY_ACTION_NONE] = "action-none",
	[DECIDE_WHY_SERVER_ABSENT] = "server-absent",
	[DECIDE_WHY_SERVER_UNTRUSTED] = "server-untrusted",
	[DECIDE_WHY_NOT_KNOWN] = "not-known",
	[DECIDE_WHY_DIRECTORY] = "directory-refused",
	[DECIDE_WHY_FORBIDDEN] = "forbidden",
	[DECIDE_WHY_FAILED] = "failed",
	[DECIDE_WHY_TRIES] = "tries",
	[DECIDE_WHY_JOB] = "job",
	[DECIDE_WHY_HELD] = "held",
	[DECIDE_WHY_SETTLING] = "settling",
	[DECIDE_WHY_DISTANCE] = "distance",
	[DECIDE_WHY_SET_CHANGED] = "set-changed",
	[DECIDE_WHY_NEWER] = "newer",
	[DECIDE_WHY_REQUESTED] = "requested"};
DEFINE_TO_STRING(decide_why, decide_why_codes);

/* ---- what the past says ---- */

static bool is_of(const struct start *s, const struct unit_facts *u)
{
	return unit_facts_is_called(u, s->unit);
}

/* A start anew satisfies whoever wanted the old one replaced, whoever caused it; a reload of the
 * unit's own keeps the invocation, so that one counts if it was ours and came later. */
static bool wants_replaced(const struct decide_facts *f, const struct request *r)
{
	if (r->kind == REQUEST_LOOK || !*r->replaces || !str_eq(r->replaces, f->unit->invocation))
		return false;
	for (size_t i = 0; i < f->starts->n; i++) {
		const struct start *s = &f->starts->items[i];

		if (is_of(s, f->unit) && s->reload && s->result == START_DONE && s->usec >= r->usec)
			return false;
	}
	return true;
}

struct asked {
	bool person;   /* somebody wants it now */
	bool replaced; /* ... even if nothing is owed */
	bool inside;   /* by who is called by the package manager that is at work */
	uint64_t usec; /* since when */
};

static struct asked find_asked(const struct decide_facts *f)
{
	struct asked a = {.usec = USEC_INFINITY};

	for (size_t i = 0; i < f->requests->n; i++) {
		const struct request *r = &f->requests->items[i];

		if (!request_is_about(r, f->unit))
			continue;
		a.usec = MIN(a.usec, r->usec);
		a.inside = a.inside || (f->lock && r->holder == lock_holder(f->lock));
		a.replaced = a.replaced || wants_replaced(f, r);
		a.person = a.person || (r->kind != REQUEST_LOOK && !*r->replaces);
	}
	a.person = a.person || a.replaced;
	if (a.usec == USEC_INFINITY)
		a.usec = f->asked_usec;
	return a;
}

/* DECIDE_WHY_FAILED, DECIDE_WHY_TRIES, or DECIDE_WHY_NOTHING_OWED. */
static enum decide_why find_vain(const struct decide_facts *f, uint64_t since)
{
	char set[LOADED_FINGERPRINT_SIZE];
	size_t tries = 0;

	loaded_fingerprint(f->set, set);
	for (size_t i = 0; i < f->starts->n; i++) {
		const struct start *s = &f->starts->items[i];

		if (!is_of(s, f->unit) || s->usec < since || !str_eq(s->set, set))
			continue;
		if (s->result == START_FAILED)
			return DECIDE_WHY_FAILED;
		tries++;
	}
	return tries >= TRIES_MAX ? DECIDE_WHY_TRIES : DECIDE_WHY_NOTHING_OWED;
}

/* The distance grows with the number of starts that follow each other without a long pause. */
static uint64_t distance_due(const struct decide_facts *f, bool person)
{
	uint64_t wait = 0, next = f->now_usec, last = 0;

	for (size_t i = f->starts->n; i > 0; i--) {
		const struct start *s = &f->starts->items[i - 1];

		if (!is_of(s, f->unit))
			continue;
		if (s->usec > next || next - s->usec > DISTANCE_FORGOTTEN_USEC)
			break;
		last = MAX(last, MAX(s->usec, s->end_usec));
		next = s->usec;
		wait = wait == 0 ? USEC_PER_SEC : MIN(wait * 2, DISTANCE_MAX_USEC);
	}
	if (wait == 0)
		return 0;
	return last + MAX(person ? 0 : wait, f->config->settle_usec);
}

/* ---- the decision ---- */

enum decide_why decide_refusal(const struct config *c, const struct snapshot *s,
			       const struct plan *p)
{
	if (c->action == ACTION_NONE)
		return DECIDE_WHY_ACTION_NONE;
	if (s->server.state == SERVER_ABSENT)
		return DECIDE_WHY_SERVER_ABSENT;
	/* Also if Version= or a package database knows its version. */
	if (s->server.program.trust.trust != TRUST_FINE ||
	    s->server.doubt == SERVER_DOUBT_UNTRUSTED)
		return DECIDE_WHY_SERVER_UNTRUSTED;
	if (p->not_known)
		return DECIDE_WHY_NOT_KNOWN;
	return p->directory == PLAN_DIRECTORY_REFUSED ? DECIDE_WHY_DIRECTORY
						      : DECIDE_WHY_NOTHING_OWED;
}

static void answer(struct decision *d, enum decide_what what, enum decide_why why)
{
	d->what = what;
	d->why = why;
}

static void wait_until(struct decision *d, enum decide_why why, uint64_t until)
{
	answer(d, DECIDE_WAIT, why);
	d->until_usec = until;
}

/* The unit does not run, or cannot be asked about: true if that is all there is to say. */
static bool decide_state(const struct decide_facts *f, const struct asked *a, struct decision *d)
{
	const struct unit_facts *u = f->unit;

	if (u->state == UNIT_NO_MANAGER)
		answer(d, DECIDE_NOTHING, DECIDE_WHY_NO_MANAGER);
	else if (u->state == UNIT_UNKNOWN)
		wait_until(d, DECIDE_WHY_NO_ANSWER,
			   f->unanswered_usec + restart_backoff_usec(f->unanswered));
	else if (u->state == UNIT_ACTIVE || u->state == UNIT_CHANGING)
		return false;
	else if (find_vain(f, a->usec) == DECIDE_WHY_FAILED)
		answer(d, DECIDE_GIVE_UP, DECIDE_WHY_FAILED);
	else
		answer(d, DECIDE_NOTHING, DECIDE_WHY_NOT_RUNNING);
	return true;
}

/* Owed, and nothing forbids it: when? */
static void decide_time(const struct decide_facts *f, const struct asked *a, struct decision *d)
{
	uint64_t distance = distance_due(f, a->person), quiet;
	struct restart settle;

	restart_init(&settle, f->config->settle_usec, f->config->settle_max_usec);
	quiet = f->first_usec > 0 ? restart_quiet_usec(&settle, f->first_usec, f->last_usec) : 0;
	if (f->unit->job || f->unit->state == UNIT_CHANGING)
		answer(d, DECIDE_WAIT_FOR_JOB, DECIDE_WHY_JOB);
	else if (f->lock && !a->person && !a->inside)
		wait_until(d, DECIDE_WHY_HELD, f->now_usec + HELD_LOOK_USEC);
	else if (!a->person && f->now_usec < quiet)
		wait_until(d, DECIDE_WHY_SETTLING, quiet);
	else if (f->now_usec < distance)
		wait_until(d, DECIDE_WHY_DISTANCE, distance);
	else
		answer(d,
		       f->config->action == ACTION_AUTO && f->unit->own_reload ? DECIDE_RELOAD
									       : DECIDE_RESTART,
		       d->owed.why == OWED_SET_CHANGED ? DECIDE_WHY_SET_CHANGED
		       : d->owed.why == OWED_NEWER     ? DECIDE_WHY_NEWER
						       : DECIDE_WHY_REQUESTED);
}

int decide(const struct decide_facts *f, struct decision *ret)
{
	_cleanup_(decision_done) struct decision d = {0};
	const struct asked a = find_asked(f);
	char set[LOADED_FINGERPRINT_SIZE];
	enum decide_why refusal, vain;
	int r = owed_find(f->unit, f->seen, f->set, &d.owed);

	if (r < 0)
		return r;
	if (d.owed.why == OWED_NOTHING && a.replaced)
		d.owed.why = OWED_REQUESTED;
	loaded_fingerprint(f->set, set);
	refusal = decide_refusal(f->config, f->seen, f->plan);
	vain = find_vain(f, a.usec);
	if (decide_state(f, &a, &d))
		;
	else if (!owed_is(&d.owed))
		answer(&d, DECIDE_NOTHING, DECIDE_WHY_NOTHING_OWED);
	else if (refusal != DECIDE_WHY_NOTHING_OWED)
		answer(&d, DECIDE_REFUSE, refusal);
	else if (str_eq(f->unit->forbidden, set) && !a.person)
		answer(&d, DECIDE_FORBIDDEN, DECIDE_WHY_FORBIDDEN);
	else if (vain != DECIDE_WHY_NOTHING_OWED)
		answer(&d, DECIDE_GIVE_UP, vain);
	else
		decide_time(f, &a, &d);
	*ret = TAKE(d);
	return 0;
}
