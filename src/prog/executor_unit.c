/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/executor_unit.h"

#include "base/str.h"
#include "core/wording.h"
#include "prog/log.h"
#include "sys/clock.h"
#include "sys/record.h"
#include "sys/state.h"

#include <systemd/sd-daemon.h>

/* A unit's own stop may take minutes (upstream's unit: 300 s), then its start. */
#define JOB_LIMIT_USEC (10 * 60 * USEC_PER_SEC)
/* The end of a job can be missed, when the manager or the bus is started anew: so often it is
 * asked about. Also how often a unit is looked at that is changing. */
#define JOB_LOOK_USEC (5 * USEC_PER_SEC)

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
	return &more[x->n_units++];
}

void executor_unit_done(struct executor_unit *u)
{
	free(u->name);
	free(u->shown);
	free(u->owed_set);
	free(u->text);
	*u = (struct executor_unit){0};
}

/* ---- what came of it ---- */

/* For `status`. */
static void write_result(const struct executor *x, const struct executor_unit *u,
			 const char *action, const char *result, const char *why)
{
	_cleanup_free_ char *text = NULL;
	char when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	int r;

	if (gmtime_r(&now, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	r = asprintf(&text, "time=%s\nunit=%s\naction=%s\nresult=%s\nwhy=%s\n", when, u->shown,
		     action, result, why);
	if (r < 0)
		text = NULL;
	r = r < 0 ? -ENOMEM : state_write_text(x->root, STATE_FILE_LAST_RELOAD, text);
	if (r < 0)
		(void)log_errno(LOG_WARNING, r, "cannot write down the result");
}

static void report(const struct executor *x, const struct executor_unit *u, bool reload,
		   const char *result, const char *why)
{
	_cleanup_free_ char *unit_field = NULL;
	const char *action = reload ? "reload" : "restart";
	const char *fields[3] = {NULL, NULL, NULL};

	if (asprintf(&unit_field, "VSMTP_UNIT=%s", u->shown) < 0) {
		unit_field = NULL;
		(void)log_errno(LOG_ERR, ENOMEM, "cannot report a %s", action);
		return;
	}
	fields[0] = unit_field;
	fields[1] = reload ? "VSMTP_ACTION=reload" : "VSMTP_ACTION=restart";
	if (str_eq(result, "done"))
		log_fields(LOG_NOTICE, LOG_ID_RELOADED, fields, "%s: %s done (%s)", u->shown,
			   action, why);
	else
		log_fields(str_eq(result, "canceled") ? LOG_NOTICE : LOG_ERR, LOG_ID_RELOAD_FAILED,
			   fields, "%s: %s ended as \"%s\" (%s)", u->shown, action, result, why);
	write_result(x, u, action, result, why);
}

/* Does the world still look as it did? 1, 0, -errno. */
static int is_unchanged(struct executor *x, const struct executor_look *l)
{
	_cleanup_(pass_done) struct pass p = {0};
	_cleanup_free_ char *set = NULL;
	const struct pass_how how = {.root = x->root, .observer = x->observer};
	int r = pass_run(&how, &p);

	if (r >= 0)
		r = loaded_set_make(&p.seen, &set);
	return r < 0 ? r : str_eq(set, l->units.set);
}

/* The start hook has recorded what was loaded; where there is none, and nothing moved meanwhile, it
 * was the set that we saw: from now on a link that goes is seen as well. */
static int record_unrecorded(struct executor *x, const struct executor_look *l, const char *name)
{
	_cleanup_(unit_facts_done) struct unit_facts u = {0};
	int r = x->manager ? unit_read(x->manager, name, &u) : -ECONNRESET;

	if (r >= 0)
		r = record_read_unit(x->root, &u);
	if (r < 0 || u.state != UNIT_ACTIVE || !u.invocation || u.start_usec == 0 ||
	    str_eq(u.invocation, u.record_invocation))
		return r;
	r = is_unchanged(x, l);
	return r > 0 ? record_write_loaded(x->root, name, u.invocation, l->units.set,
					   RECORD_BY_OTHER)
		     : r;
}

/* A reload of the unit's own: no new start, so no hook. What was seen before it is recorded: if it
 * moved meanwhile, the next look finds that owed. */
static void record_done(struct executor *x, const struct executor_look *l,
			const struct unit_facts *u, const struct start *s)
{
	int r = 0;

	if (!s->reload)
		r = record_unrecorded(x, l, unit_facts_id(u));
	else if (u->invocation)
		r = record_write_loaded(x->root, unit_facts_id(u), u->invocation, l->units.set,
					hook_find(u) == HOOK_RAN ? RECORD_BY_HOOK
								 : RECORD_BY_OTHER);
	if (r < 0)
		(void)log_errno(LOG_ERR, r, "cannot record what was loaded");
}

/* ---- our starts ---- */

/* In the look, for the decisions that follow, and on disk for who comes after us. */
static void write_starts(struct executor *x, const struct executor_look *l)
{
	int r = record_write_starts(x->root, &l->units.starts);

	if (r < 0)
		(void)log_errno(LOG_WARNING, r, "cannot write down our starts");
}

static struct start *find_begun(struct executor_look *l, const struct unit_facts *u)
{
	struct starts *all = &l->units.starts;

	for (size_t i = all->n; i > 0; i--)
		if (unit_facts_is_called(u, all->items[i - 1].unit))
			return all->items[i - 1].result == START_BEGUN ? &all->items[i - 1] : NULL;
	return NULL;
}

static void end_start(struct executor *x, struct executor_unit *u, struct executor_look *l,
		      struct start *s, enum start_result result)
{
	s->result = result;
	s->end_usec = clock_usec(CLOCK_BOOTTIME);
	u->started = u->started || result == START_DONE;
	free(TAKE_PTR(u->owed_set));
	write_starts(x, l);
}

/* The end of a job was not seen, by us or by an executor before us: what became of the unit? */
static void settle_begun(struct executor *x, struct executor_unit *u, struct executor_look *l,
			 const struct unit_facts *unit)
{
	static const char *const words[START_RESULT_MAX] = {
		[START_DONE] = "done", [START_CANCELED] = "canceled", [START_FAILED] = "failed"};
	struct start *s = find_begun(l, unit);
	enum start_result result;

	if (!s || unit->job || unit->state == UNIT_CHANGING || unit->state == UNIT_UNKNOWN)
		return;
	if (unit->state != UNIT_ACTIVE)
		result = START_FAILED;
	else if (s->reload || str_eq(unit->invocation, s->replaced))
		result = START_CANCELED;
	else
		result = START_DONE;
	end_start(x, u, l, s, result);
	report(x, u, s->reload, words[result], "asked for before; its end was not seen");
}

static void begin_start(struct executor *x, struct executor_look *l, const struct unit_facts *unit,
			bool reload)
{
	struct start s = {.usec = clock_usec(CLOCK_BOOTTIME), .reload = reload};

	loaded_fingerprint(l->units.set, s.set);
	(void)snprintf(s.unit, sizeof(s.unit), "%s", unit_facts_id(unit));
	(void)snprintf(s.replaced, sizeof(s.replaced), "%s",
		       unit->invocation ? unit->invocation : "");
	starts_add(&l->units.starts, &s);
	write_starts(x, l);
}

/* ---- doing it ---- */

/* Is there still a job on it? A lost signal must not be waited for. */
static bool is_at_work(struct executor *x, const char *name)
{
	_cleanup_(unit_facts_done) struct unit_facts u = {0};

	return unit_read(x->manager, name, &u) >= 0 &&
	       (u.job || u.state == UNIT_CHANGING || u.state == UNIT_UNKNOWN);
}

static int run_job(struct executor *x, const struct executor_unit *u, bool reload, char **ret)
{
	uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + JOB_LIMIT_USEC;
	/* Restarts that are asked for count against the start limit: the sixth within 10 s would
	 * leave mail down (rule 19). */
	int r = reload ? 0 : unit_reset_failed(x->manager, u->name);

	(void)sd_notifyf(0, "STATUS=%s %s", reload ? "Reloading" : "Restarting", u->shown);
	if (r >= 0)
		r = unit_ask_job(x->manager, u->name,
				 reload ? UNIT_JOB_RELOAD : UNIT_JOB_TRY_RESTART);
	if (r < 0)
		return r;
	do
		r = unit_await_job(x->manager, JOB_LOOK_USEC, ret);
	while (r == -ETIMEDOUT && clock_usec(CLOCK_MONOTONIC) < deadline && is_at_work(x, u->name));
	return r;
}

static int set_word(struct executor_unit *u, enum answer_word word, const struct decision *d,
		    const char *text)
{
	char *sentence;

	if (asprintf(&sentence, "%s: %s", u->shown, text) < 0)
		return -ENOMEM;
	free(u->text);
	u->text = sentence;
	u->word = word;
	u->why = d->why;
	u->until_usec = d->what == DECIDE_WAIT ? d->until_usec : 0;
	return 0;
}

static int act(struct executor *x, struct executor_unit *u, struct executor_look *l, size_t i,
	       const struct decision *d)
{
	const struct unit_facts *unit = &l->units.items[i].unit;
	_cleanup_free_ char *why = NULL, *result = NULL;
	bool reload = d->what == DECIDE_RELOAD;
	struct start *s;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	word_owed(&b, unit, &d->owed);
	r = buf_take(&b, &why);
	if (r >= 0)
		r = set_word(u, ANSWER_ACTING, d, why);
	if (r >= 0)
		r = executor_answer(x, l);
	if (r < 0)
		return r;
	begin_start(x, l, unit, reload);
	r = run_job(x, u, reload, &result);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		/* Not known what came of it: the next look tells. */
		(void)log_errno(LOG_NOTICE, r, "%s: the job's end was not seen", u->shown);
		x->manager = unit_manager_close(x->manager);
		return 0;
	}
	report(x, u, reload, result, why);
	s = find_begun(l, unit);
	if (!s)
		return 0;
	end_start(x, u, l, s,
		  str_eq(result, "done")       ? START_DONE
		  : str_eq(result, "canceled") ? START_CANCELED
					       : START_FAILED);
	if (s->result != START_DONE)
		return 0;
	record_done(x, l, unit, s);
	return set_word(u, ANSWER_STARTED, d, why);
}

/* ---- deciding ---- */

/* The burst that settles, and the manager's silence. */
static int remember(struct executor_unit *u, struct decide_facts *f)
{
	_cleanup_(owed_done) struct owed owed = {0};
	int r = owed_find(f->unit, f->seen, f->set, &owed);

	if (r < 0)
		return r;
	if (f->unit->state == UNIT_UNKNOWN) {
		u->unanswered++;
		u->unanswered_usec = f->now_usec;
	} else {
		u->unanswered = 0;
	}
	if (!owed_is(&owed)) {
		free(TAKE_PTR(u->owed_set));
	} else if (!str_eq(u->owed_set, f->set)) {
		u->first_usec = u->owed_set ? u->first_usec : f->now_usec;
		u->last_usec = f->now_usec;
		r = str_replace(&u->owed_set, f->set);
	}
	f->first_usec = u->owed_set ? u->first_usec : 0;
	f->last_usec = u->last_usec;
	f->unanswered = u->unanswered;
	f->unanswered_usec = u->unanswered_usec;
	return r;
}

static enum answer_word word_of(const struct executor_unit *u, const struct decision *d)
{
	switch (d->what) {
	case DECIDE_NOTHING:
		if (d->why != DECIDE_WHY_NOTHING_OWED)
			return ANSWER_NOT_RUNNING;
		return u->started ? ANSWER_HEALTHY : ANSWER_NOTHING_OWED;
	case DECIDE_REFUSE:
		return ANSWER_REFUSED;
	case DECIDE_FORBIDDEN:
		return ANSWER_FORBIDDEN;
	case DECIDE_GIVE_UP:
		return d->why == DECIDE_WHY_FAILED ? ANSWER_FAILED : ANSWER_GAVE_UP;
	case DECIDE_WAIT:
	case DECIDE_WAIT_FOR_JOB:
		return ANSWER_WAITING;
	case DECIDE_RELOAD:
	case DECIDE_RESTART:
	case DECIDE_WHAT_MAX:
	default:
		return ANSWER_LOOKED;
	}
}

/* Said once: what keeps a restart from being made is for the journal too. */
static void say(const struct executor_unit *u, const struct decision *d, enum answer_word was)
{
	if (u->word != was && (d->what == DECIDE_REFUSE || d->what == DECIDE_GIVE_UP))
		log_msg(LOG_ERR, "%s", u->text);
	else if (u->word != was && d->what == DECIDE_FORBIDDEN)
		log_msg(LOG_WARNING, "%s", u->text);
}

/* A look later it is still so: the set was seen before the unit was asked about, and had somebody
 * else restarted it in between, on a newer set, this would be one restart too many. */
static int decide_again(struct executor *x, struct executor_unit *u, const struct decision *first,
			const char *set, struct executor_look *ret, size_t *ret_i)
{
	_cleanup_(executor_look_done) struct executor_look l = {0};
	int r = executor_look(x, &l);

	for (size_t i = 0; i < l.units.n && r >= 0; i++) {
		_cleanup_(decision_done) struct decision d = {0};
		struct decide_facts f = units_facts(&l.units, &l.pass, i);

		if (!str_eq(unit_facts_id(f.unit), u->name))
			continue;
		f.asked_usec = x->begun_usec;
		r = remember(u, &f);
		if (r >= 0)
			r = decide(&f, &d);
		if (r < 0 || d.what != first->what || !str_eq(l.units.set, set))
			return MIN(r, 0);
		*ret = l;
		*ret_i = i;
		l = (struct executor_look){0};
		return 1;
	}
	return MIN(r, 0);
}

static int do_it(struct executor *x, struct executor_unit *u, const struct executor_look *l,
		 const struct decision *d)
{
	_cleanup_(executor_look_done) struct executor_look again = {0};
	size_t i = 0;
	int r = decide_again(x, u, d, l->units.set, &again, &i);

	return r > 0 ? act(x, u, &again, i, d) : r;
}

int executor_unit_step(struct executor *x, struct executor_unit *u, struct executor_look *l,
		       size_t i, uint64_t *ret_due)
{
	_cleanup_(decision_done) struct decision d = {0};
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct decide_facts f = units_facts(&l->units, &l->pass, i);
	enum answer_word word, was;
	int r;

	settle_begun(x, u, l, f.unit);
	f.asked_usec = x->begun_usec;
	r = remember(u, &f);
	if (r >= 0)
		r = decide(&f, &d);
	if (r >= 0)
		word_decision(&text, &f, &d);
	if (r < 0 || text.failed)
		return r < 0 ? r : -ENOMEM;
	if (f.unit->state == UNIT_UNKNOWN)
		x->manager = unit_manager_close(x->manager);
	was = u->word;
	word = word_of(u, &d);
	r = set_word(u, word, &d, buf_text(&text));
	if (r < 0)
		return r;
	say(u, &d, was);
	*ret_due = answer_is_last(word) ? USEC_INFINITY : d.until_usec;
	if (d.what == DECIDE_RELOAD || d.what == DECIDE_RESTART)
		return do_it(x, u, l, &d);
	if (d.what == DECIDE_WAIT_FOR_JOB)
		*ret_due = f.now_usec + JOB_LOOK_USEC;
	else if (d.what == DECIDE_NOTHING && d.why == DECIDE_WHY_NOTHING_OWED)
		r = record_unrecorded(x, l, u->name);
	if (r < 0)
		(void)log_errno(LOG_WARNING, r, "cannot record what was loaded");
	return 0;
}
