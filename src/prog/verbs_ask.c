/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking the executor for what is owed, and waiting for its answer. */
#include "prog/ctl.h"

#include "prog/log.h"
#include "sys/asked.h"
#include "sys/booted.h"
#include "sys/clock.h"

/* What comes on top of the unit's own time for a start; and that time where it is not known. */
#define LIMIT_MORE_USEC (30 * USEC_PER_SEC)
#define LIMIT_UNKNOWN_USEC (90 * USEC_PER_SEC)

void ctl_asked_done(struct ctl_asked *a)
{
	buf_done(&a->words);
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

int ctl_word_nobody(struct buf *b, struct ctl *c)
{
	_cleanup_(requests_done) struct requests requests = {0};
	int r = booted(&c->root) ? asked_read(&c->root, &requests) : 0;

	if (r < 0 || !asked_nobody_answers(&c->root, &requests))
		return r == -ENOMEM ? r : 0;
	ctl_connect(c);
	buf_printf(b, "%zu request%s for a reload; ", requests.n, requests.n == 1 ? "" : "s");
	return blame(c, b);
}

/* ---- asking ---- */

/* Files a request, and has path unit and executor started if the manager can be reached. */
static int request(struct ctl *c, const struct request *q, char ***names)
{
	_cleanup_free_ char *name = NULL;
	int r = asked_ask(&c->root, q, &name);

	/* A courtesy: the path unit does the same, unless it has failed. */
	if (r >= 0 && c->manager) {
		(void)!unit_start(c->manager, UNIT_ASKED);
		(void)!unit_start(c->manager, UNIT_EXECUTOR);
	}
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
		       struct answered *ret, struct buf *nobody)
{
	uint64_t now = clock_usec(CLOCK_BOOTTIME), limit = now + wait_limit(c, u);
	int r = answer_wait(&c->root, names, c->wait, MIN(limit, now + ASKED_PATIENCE_USEC), ret);

	if (r == 0)
		r = ctl_word_nobody(nobody, c);
	if (r < 0 || nobody->len > 0 || ret->word >= c->wait || answer_is_last(ret->word))
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

static const char runs_with_all[] = "nothing is owed: the server runs with all of it";
static const char does_not_run[] = "the server does not run, so nothing is owed to it";

/* Words and exit code for what was answered. */
static void take_answer(struct ctl *c, const struct units *before, const struct answered *a,
			struct ctl_asked *to)
{
	_cleanup_buf_ struct buf last = BUF_INIT;
	bool failed =
		a->word > ANSWER_HEALTHY || (a->word == ANSWER_NOT_RUNNING && any_runs(before));

	to->word = a->word;
	if (a->word == ANSWER_STARTED || a->word == ANSWER_HEALTHY) {
		buf_add(&to->words, "the server runs with all of it now");
		return;
	}
	if (a->word == ANSWER_NOTHING_OWED || (a->word == ANSWER_NOT_RUNNING && !failed)) {
		buf_add(&to->words, a->word == ANSWER_NOTHING_OWED ? runs_with_all : does_not_run);
		return;
	}
	to->code = CTL_NOT_CONFIRMED;
	if (failed)
		ctl_word_last_reload(&last, c);
	log_msg(failed ? LOG_ERR : LOG_WARNING, "the reload is not confirmed%s (%s)%s%s%s%s",
		failed ? "" : " yet", answer_word_to_string(a->word), a->text ? ": " : "",
		a->text ? a->text : "", last.len > 0 ? "; last reload: " : "", buf_text(&last));
}

static int wait_and_tell(struct ctl *c, const struct units *u, char *const *names,
			 struct ctl_asked *to)
{
	_cleanup_(answered_done) struct answered a = {0};
	_cleanup_buf_ struct buf nobody = BUF_INIT;
	int r;

	if (c->wait == ANSWER_NONE) {
		buf_add(&to->words, "a reload is owed and was asked for (" UNIT_EXECUTOR ")");
		return 0;
	}
	if (strv_len(names) == 0) {
		to->code = CTL_NOT_CONFIRMED;
		log_msg(LOG_WARNING, "so much is asked for already that nobody can wait for it");
		return 0;
	}
	r = wait_answer(c, u, names, &a, &nobody);
	if (r == -ENOMEM)
		return r;
	if (r >= 0 && nobody.len == 0) {
		take_answer(c, u, &a, to);
		return 0;
	}
	to->code = CTL_NOT_CONFIRMED;
	if (r < 0)
		log_errno(LOG_ERR, r, "Cannot wait for the answer");
	else
		log_msg(LOG_ERR, "nobody answers: %s", buf_text(&nobody));
	return 0;
}

/* ---- whether ---- */

/* Is there something to ask about, and is it to be asked? If not, words and code say why. */
static bool is_to_ask(struct ctl *c, const struct pass *p, const struct units *u,
		      enum ctl_reload how, struct ctl_asked *to)
{
	enum decide_why refusal = decide_refusal(&p->config, pass_seen(p), pass_plan(p));
	bool person = how == CTL_RELOAD_PERSON, owed = units_owed(u);
	_cleanup_buf_ struct buf why = BUF_INIT;

	if (!booted(&c->root)) {
		if (root_is_host(&c->root))
			buf_add(&to->words, "no service manager, links only");
		else if (person)
			buf_add(&to->words, "below another root, links only");
		return false;
	}
	if (p->again_error < 0) /* not known, and asked for all the same */
		return true;
	if (!c->manager_error && !owed && !(person && ctl_has(c, CTL_FORCE) && any_runs(u))) {
		if (person)
			buf_add(&to->words, any_runs(u) ? runs_with_all : does_not_run);
		return false;
	}
	if (refusal == DECIDE_WHY_NOTHING_OWED)
		return true;
	word_refusal(&why, &p->config, pass_seen(p), pass_plan(p), refusal);
	if (!person && refusal == DECIDE_WHY_ACTION_NONE) {
		buf_add(&to->words, "a reload is owed: ");
		buf_join(&to->words, &why);
		return false;
	}
	to->code = CTL_NOT_CONFIRMED;
	log_msg(LOG_ERR, "no reload is asked for: %s", buf_text(&why));
	return false;
}

/* What a policy leaves to a person is no more than said to others. */
static void word_forbidden(const struct pass *p, const struct units *u, struct ctl_asked *to)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct decide_facts f = units_facts(u, p, i);

		if (u->items[i].next.what != DECIDE_FORBIDDEN)
			continue;
		word_decision(&to->words, &f, &u->items[i].next);
		return;
	}
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
	int r;

	if (!is_to_ask(c, p, u, how, ret))
		return 0;
	if (how != CTL_RELOAD_PERSON && all_forbidden(u)) {
		word_forbidden(p, u, ret);
		return 0;
	}
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
