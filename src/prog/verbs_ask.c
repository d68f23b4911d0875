/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking the executor for what is owed, and waiting for its answer. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/wording.h"
#include "prog/log.h"
#include "sys/asked.h"
#include "sys/booted.h"
#include "sys/clock.h"

/* What comes on top of the unit's own time for a start; and that time where it is not known. */
#define LIMIT_MORE_USEC (30 * USEC_PER_SEC)
#define LIMIT_UNKNOWN_USEC (90 * USEC_PER_SEC)

void ctl_asked_done(struct ctl_asked *a)
{
	free(a->words);
	*a = (struct ctl_asked){0};
}

/* ---- nobody answers ---- */

/* Which of the two units is to blame, and what to do. */
static int blame(struct ctl *c, struct buf *b)
{
	static const char *const names[] = {UNIT_EXECUTOR, UNIT_ASKED};
	const char *blamed = NULL;

	for (size_t i = 0; i < ELEMENTSOF(names) && c->manager && !blamed; i++) {
		_cleanup_(unit_facts_done) struct unit_facts u = {0};
		bool idle;
		int r = unit_read(c->manager, names[i], &u);

		if (r < 0)
			return r;
		/* The executor is idle by right when nobody starts it. */
		idle = i == 0 && u.sub_state && str_after(u.sub_state, "inactive");
		if (u.state == UNIT_ACTIVE || u.state == UNIT_CHANGING || !u.sub_state || idle)
			continue;
		blamed = names[i];
		buf_printf(b, "%s is %s; cure: systemctl %s %s && systemctl start " UNIT_ASKED,
			   blamed, u.sub_state,
			   str_eq(u.sub_state, "masked") ? "unmask" : "reset-failed", blamed);
	}
	if (!blamed)
		buf_add(b, UNIT_EXECUTOR " does not run; cure: systemctl start " UNIT_ASKED
					 " " UNIT_EXECUTOR);
	return 0;
}

int ctl_nobody_answers(struct ctl *c, char **ret)
{
	_cleanup_(requests_done) struct requests requests = {0};
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = booted(&c->root) ? asked_read(&c->root, &requests) : 0;

	if (r < 0 || !asked_nobody_answers(&c->root, &requests))
		return r == -ENOMEM ? r : 0;
	ctl_connect(c);
	buf_printf(&b, "%zu request%s for a reload; ", requests.n, requests.n == 1 ? "" : "s");
	r = blame(c, &b);
	return r < 0 ? r : buf_take(&b, ret);
}

/* ---- asking ---- */

int ctl_request(struct ctl *c, const struct request *q, char **ret_name)
{
	int r = asked_ask(&c->root, q, ret_name);

	/* A courtesy: the path unit does the same, unless it has failed. */
	if (r >= 0 && c->manager) {
		(void)!unit_start(c->manager, UNIT_ASKED);
		(void)!unit_start(c->manager, UNIT_EXECUTOR);
	}
	return r;
}

static int request(struct ctl *c, const struct request *q, char ***names)
{
	_cleanup_free_ char *name = NULL;
	int r = ctl_request(c, q, &name);

	return r < 0 || !name ? r : strv_add(names, name);
}

static bool runs(const struct unit_facts *u)
{
	return u->state == UNIT_ACTIVE || u->state == UNIT_CHANGING;
}

/* A look for whatever is owed; or for each unit that runs somebody's wish. */
static int file_requests(struct ctl *c, const struct units *u, enum ctl_reload how, char ***names)
{
	bool force = ctl_has(c, CTL_FORCE);
	char set[LOADED_FINGERPRINT_SIZE], none[] = "";
	struct request q = {.unit = none, .replaces = none, .set = set};
	int r = 0;

	if (u->set)
		loaded_fingerprint(u->set, set);
	else
		q.set = none;
	if (how != CTL_RELOAD_PERSON || !u->set)
		return request(c, &q, names);
	q.kind = REQUEST_RELOAD_WAITS;
	for (size_t i = 0; i < u->n && r >= 0; i++) {
		const struct unit_facts *unit = &u->items[i].unit;

		if (!runs(unit) && unit->state != UNIT_UNKNOWN)
			continue;
		if (!force && unit->state != UNIT_UNKNOWN && !owed_is(&u->items[i].next.owed))
			continue;
		q.unit = unit->names ? unit->names[0] : unit->name;
		q.replaces = force && unit->invocation ? unit->invocation : none;
		r = request(c, &q, names);
	}
	return r;
}

/* ---- waiting ---- */

static uint64_t wait_limit(const struct ctl *c, const struct units *u)
{
	uint64_t most = 0;

	if (ctl_has(c, CTL_WAIT_LIMIT))
		return c->wait_limit_usec;
	for (size_t i = 0; i < u->n; i++) {
		uint64_t limit = u->items[i].unit.start_limit_usec;

		most = MAX(most, limit == USEC_INFINITY ? LIMIT_UNKNOWN_USEC : limit);
	}
	return (most > 0 ? most : LIMIT_UNKNOWN_USEC) + LIMIT_MORE_USEC;
}

/* In two parts: after the first it is worth asking whether anybody is there at all. */
static int wait_answer(struct ctl *c, const struct units *u, char *const *names,
		       struct answered *ret, char **ret_nobody)
{
	uint64_t now = clock_usec(CLOCK_BOOTTIME), limit = now + wait_limit(c, u);
	int r = answer_wait(&c->root, names, c->wait, MIN(limit, now + ASKED_PATIENCE_USEC), ret);

	if (r == 0)
		r = ctl_nobody_answers(c, ret_nobody);
	if (r < 0 || *ret_nobody || ret->word >= c->wait || answer_is_last(ret->word))
		return r;
	return MIN(answer_wait(&c->root, names, c->wait, limit, ret), 0);
}

static bool any_runs(const struct units *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (runs(&u->items[i].unit))
			return true;
	return false;
}

/* Words and exit code for what was answered. */
static int take_answer(struct ctl *c, const struct units *before, const struct answered *a,
		       struct ctl_asked *to)
{
	_cleanup_free_ char *last = NULL;
	bool failed =
		a->word > ANSWER_HEALTHY || (a->word == ANSWER_NOT_RUNNING && any_runs(before));
	int r;

	to->word = a->word;
	if (a->word == ANSWER_STARTED || a->word == ANSWER_HEALTHY)
		return str_replace(&to->words, "the server runs with all of it now");
	if (a->word == ANSWER_NOTHING_OWED)
		return str_replace(&to->words, "nothing is owed: the server runs with all of it");
	if (a->word == ANSWER_NOT_RUNNING && !failed)
		return str_replace(&to->words, "the server does not run, so nothing is owed to it");
	to->code = CTL_NOT_CONFIRMED;
	r = failed ? ctl_last_reload(c, &last) : 0;
	if (r < 0)
		return r;
	log_msg(failed ? LOG_ERR : LOG_WARNING, "the reload is not confirmed%s (%s)%s%s%s%s",
		failed ? "" : " yet", answer_word_to_string(a->word), a->text ? ": " : "",
		a->text ? a->text : "", last ? "; last reload: " : "", last ? last : "");
	return 0;
}

static int wait_and_tell(struct ctl *c, const struct units *u, char *const *names,
			 struct ctl_asked *to)
{
	_cleanup_(answered_done) struct answered a = {0};
	_cleanup_free_ char *nobody = NULL;
	int r;

	if (c->wait == ANSWER_NONE)
		return str_replace(&to->words,
				   "a reload is owed and was asked for (" UNIT_EXECUTOR ")");
	if (strv_len(names) == 0) {
		to->code = CTL_NOT_CONFIRMED;
		log_msg(LOG_WARNING, "so much is asked for already that nobody can wait for it");
		return 0;
	}
	r = wait_answer(c, u, names, &a, &nobody);
	if (r == -ENOMEM)
		return r;
	if (r >= 0 && !nobody)
		return take_answer(c, u, &a, to);
	to->code = CTL_NOT_CONFIRMED;
	if (r < 0)
		log_errno(LOG_ERR, r, "Cannot wait for the answer");
	else
		log_msg(LOG_ERR, "nobody answers: %s", nobody);
	return 0;
}

/* ---- whether ---- */

/* Is there something to ask about, and is it to be asked? 1, 0 (words and code say why not),
 * -errno. */
static int is_to_ask(struct ctl *c, const struct pass *p, const struct units *u,
		     enum ctl_reload how, struct ctl_asked *to)
{
	enum decide_why refusal = decide_refusal(&p->config, pass_seen(p), pass_plan(p));
	bool person = how == CTL_RELOAD_PERSON, owed = units_owed(u);
	_cleanup_free_ char *why = NULL;
	int r;

	if (!booted(&c->root) && root_is_host(&c->root))
		return str_replace(&to->words, "no service manager, links only");
	if (!booted(&c->root))
		return person ? str_replace(&to->words, "below another root, links only") : 0;
	if (p->again_error < 0) /* not known, and asked for all the same */
		return 1;
	if (!c->manager_error && !owed && !(person && ctl_has(c, CTL_FORCE) && any_runs(u)))
		return !person ? 0
			       : str_replace(&to->words,
					     any_runs(u) ? "nothing is owed: the server runs with "
							   "all of it"
							 : "the server does not run, so nothing is "
							   "owed to it");
	if (refusal == DECIDE_WHY_NOTHING_OWED)
		return 1;
	r = wording_refusal(&p->config, pass_seen(p), pass_plan(p), refusal, &why);
	if (r < 0)
		return r;
	if (!person && refusal == DECIDE_WHY_ACTION_NONE)
		return asprintf(&to->words, "a reload is owed: %s", why) < 0 ? -ENOMEM : 0;
	to->code = CTL_NOT_CONFIRMED;
	log_msg(LOG_ERR, "no reload is asked for: %s", why);
	return 0;
}

/* What a policy leaves to a person is no more than said to others. */
static int say_forbidden(const struct pass *p, const struct units *u, struct ctl_asked *to)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct decide_facts f = units_facts(u, p, i);

		if (u->items[i].next.what == DECIDE_FORBIDDEN)
			return wording_decision(&f, &u->items[i].next, &to->words);
	}
	return 0;
}

static bool all_forbidden(const struct units *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (owed_is(&u->items[i].next.owed) && u->items[i].next.what != DECIDE_FORBIDDEN)
			return false;
	return units_owed(u);
}

int ctl_ask(struct ctl *c, const struct pass *p, const struct units *u, enum ctl_reload how,
	    struct ctl_asked *ret)
{
	_cleanup_strv_ char **names = NULL;
	int r = is_to_ask(c, p, u, how, ret);

	if (r <= 0)
		return r;
	if (how != CTL_RELOAD_PERSON && all_forbidden(u))
		return say_forbidden(p, u, ret);
	r = file_requests(c, u, how, &names);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		log_errno(LOG_ERR, r, "Cannot ask for the reload that is owed");
		ret->code = CTL_NOT_CONFIRMED;
		return 0;
	}
	ret->asked = true;
	return wait_and_tell(c, u, names, ret);
}
