/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sync, reload, enable, disable, clean: what changes something. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/wording.h"
#include "prog/log.h"
#include "sys/apply.h"
#include "sys/clock.h"
#include "sys/conf.h"
#include "sys/pkglock.h"
#include "sys/state.h"

#include <inttypes.h>

#define RELOAD_LIMIT_USEC (120 * USEC_PER_SEC)
#define POLL_USEC (200 * USEC_PER_MSEC)

/* What one call of a verb did, until it is printed. */
struct done {
	struct pass pass;
	struct units units;
	bool asked;   /* a reload was asked for */
	char *reload; /* words on the reload, may be NULL */
	int code;
};

static void done_done(struct done *d)
{
	pass_done(&d->pass);
	units_done(&d->units);
	free(d->reload);
}

static int say_cannot(struct ctl *c, int error)
{
	bool right = error == -EACCES || error == -EPERM || error == -EROFS;

	return log_errno(LOG_ERR, error, "Cannot do a pass: cannot make " STATE_RUN_DIR "%s",
			 right && root_is_host(&c->root) ? " (this needs root)" : "");
}

/* The pass itself, under the lock; --plan= is compared before anything is changed. */
static int do_pass(struct ctl *c, struct pass *p)
{
	_cleanup_close_ int lock = -EBADF;
	struct lock_facts manager = {0};
	uint64_t fingerprint = 0;
	int r = state_prepare(&c->root);

	if (r < 0)
		return say_cannot(c, r);
	lock = pass_lock(&c->root);
	if (lock < 0)
		return CTL_FAILED;
	if (ctl_has(c, CTL_HOLD))
		p->seen.held = pkglock_ask(&c->root, &manager) >= 0 && manager.path;
	r = ctl_look(c, p);
	if (r >= 0)
		r = plan_fingerprint(&p->config, &p->seen, &fingerprint);
	if (r < 0)
		return r;
	if (ctl_has(c, CTL_PLAN) && fingerprint != c->fingerprint) {
		log_msg(LOG_ERR,
			"the world has moved since that plan (it is %016" PRIx64
			" now): nothing was changed, look at vsmtp-pluginctl plan again",
			fingerprint);
		return CTL_FAILED;
	}
	return pass_apply(&c->root, p);
}

static int say_outcome(const struct pass *p)
{
	const struct outcome *o = &p->outcome;
	int r = ctl_say_remarks(p);

	if (r >= 0)
		r = ctl_say_trouble(p);
	if (r >= 0 && o->directory_error) {
		_cleanup_free_ char *text = NULL;

		r = wording_directory_error(o, p->config.links, &text);
		if (r >= 0)
			log_msg(LOG_ERR, "%s", text);
	}
	if (o->sync_error)
		log_errno(LOG_ERR, o->sync_error,
			  "The links are changed, but may not survive a crash: fsync");
	if (o->names_error)
		log_errno(LOG_WARNING, o->names_error,
			  "Cannot write the record of link names below " STATE_VAR_DIR);
	return r;
}

static int print_changes(struct ctl *c, const struct pass *p)
{
	const struct outcome *o = &p->outcome;

	if (o->directory == PLAN_DIRECTORY_MAKE && !o->directory_error)
		printf("made the links directory\n");
	if (o->directory == PLAN_DIRECTORY_TAKE_OVER && !o->directory_error)
		printf("took the links directory %s over: it belongs to root now, mode "
		       "0755\n",
		       p->config.links);
	for (size_t i = 0; i < o->n_changes; i++) {
		const struct change *ch = &o->changes[i];
		_cleanup_free_ char *text = NULL;
		int r = wording_change(ch, p->config.links, &text);

		if (r < 0)
			return r;
		output_wrap(&c->output, 4, ch->result == CHANGE_DONE ? COLOUR_NONE : COLOUR_BAD,
			    text);
	}
	if (o->n_swept > 0)
		printf("swept %zu left-over%s of a pass that was cut off\n", o->n_swept,
		       o->n_swept == 1 ? "" : "s");
	return 0;
}

static void doc_changes(struct doc *d, const struct outcome *o, const char *links)
{
	static const char *const results[CHANGE_RESULT_MAX] = {
		[CHANGE_DONE] = "done",
		[CHANGE_MOVED] = "moved",
		[CHANGE_FAILED] = "failed",
	};
	struct json_object *changes = doc_array(d, d->top, "changes");

	for (size_t i = 0; i < o->n_changes; i++) {
		const struct change *ch = &o->changes[i];
		struct json_object *at = doc_item(d, changes);
		_cleanup_free_ char *words = NULL;

		if (wording_change(ch, links, &words) < 0)
			d->failed = true;
		doc_words(d, at, "action", link_action_to_string(ch->action));
		doc_words(d, at, "result", results[ch->result]);
		doc_name(d, at, "link", ch->name);
		doc_name(d, at, "plugin", ch->key);
		doc_name(d, at, "target", ch->text);
		doc_name(d, at, "was", ch->was);
		doc_words(d, at, "gate", ch->why);
		doc_words(d, at, "text", words);
	}
}

static int print_done(struct ctl *c, const struct done *d)
{
	_cleanup_doc_ struct doc doc = {0};
	const struct outcome *o = &d->pass.outcome;
	int r;

	if (!ctl_has(c, CTL_JSON)) {
		r = print_changes(c, &d->pass);
		if (r >= 0 && o->n_changes == 0 && d->code == CTL_DONE)
			printf("nothing to change\n");
		if (r >= 0 && d->reload)
			printf("%s\n", d->reload);
		return r;
	}
	doc_init(&doc, c->verb->name);
	doc_changes(&doc, o, d->pass.config.links);
	doc_number(&doc, doc.top, "swept", (int64_t)o->n_swept);
	doc_truth(&doc, doc.top, "reload-asked", d->asked);
	doc_words(&doc, doc.top, "reload", d->reload);
	r = ctl_doc_units(&doc, &d->units);
	if (r < 0)
		return r;
	ctl_doc_server(&doc, &d->pass);
	ctl_doc_trouble(c, &doc, &d->pass);
	doc_number(&doc, doc.top, "exit", d->code);
	return doc_print(&doc);
}

/* What the units are owed now that the links are as they are. The outcome may differ from the plan,
 * so this looks anew if anything was changed; unchanged files are not opened again. */
static int look_at_units(struct ctl *c, enum ctl_reload how, struct done *d)
{
	_cleanup_(pass_done) struct pass after = {0};
	bool changed = d->pass.outcome.n_changes > 0;
	const struct pass *now = changed ? &after : &d->pass;
	int r = changed ? pass_look(&c->root, c->observer, &after) : 0;

	if (r < 0)
		return r;
	/* Who asks nobody, a start hook above all, must not wait for the bus either. */
	if (how == CTL_RELOAD_LEAVE || c->unit)
		return units_look(&c->root, &now->config, &now->seen, NULL, &d->units);
	return ctl_units(c, now, &d->units);
}

/* What a policy forbade is served by a start, or by whoever may ask. */
static int lift_policy(struct ctl *c)
{
	_cleanup_free_ char *text = NULL;
	int r = state_read_text(&c->root, STATE_FILE_FORBIDDEN, &text);

	if (r < 0 || !text || !*text)
		return r;
	return state_write_text(&c->root, STATE_FILE_FORBIDDEN, "");
}

static int record_start(struct ctl *c, struct done *d)
{
	const char *invocation = getenv("INVOCATION_ID");
	int r;

	if (!invocation || strlen(invocation) != 32 ||
	    strspn(invocation, "0123456789abcdef") != 32) {
		log_msg(LOG_WARNING, "no INVOCATION_ID in the environment: nothing is recorded");
		return 0;
	}
	r = lift_policy(c);
	if (r >= 0)
		r = state_record_loaded(&c->root, c->unit, invocation, d->units.set);
	return r < 0 ? log_errno(LOG_ERR, r, "Cannot record what this start of %s loads", c->unit)
		     : 0;
}

static int worded(struct done *d, const char *words)
{
	return str_replace(&d->reload, words);
}

/* The gravest is given: 1, 5, 4, 3. */
static void not_confirmed(struct done *d)
{
	if (d->code == CTL_DONE)
		d->code = CTL_NOT_CONFIRMED;
}

static int ask(struct ctl *c, struct done *d)
{
	int r;

	if (c->manager_error) {
		log_errno(LOG_ERR, c->manager_error, "Cannot ask the service manager");
		not_confirmed(d);
		return 0;
	}
	if (!units_owed(&d->units))
		return 0;
	if (d->pass.plan.not_known)
		return worded(d, "a reload is owed, and not asked for while not all is known");
	if (d->pass.config.action == ACTION_NONE)
		return worded(d, "a reload is owed, and Action=none leaves it to you");
	r = unit_ask_executor(c->manager);
	if (r < 0) {
		log_errno(LOG_ERR, r, "Cannot ask for the reload that is owed");
		not_confirmed(d);
		return 0;
	}
	d->asked = true;
	return worded(d, "a reload is owed and was asked for (" UNIT_EXECUTOR ")");
}

/* ---- reload ---- */

static bool any_runs(const struct units *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->items[i].unit.state == UNIT_ACTIVE ||
		    u->items[i].unit.state == UNIT_CHANGING)
			return true;
	return false;
}

static bool executor_works(struct ctl *c)
{
	struct unit_facts u = {0};
	bool works = false;

	if (unit_read(c->manager, UNIT_EXECUTOR, &u) >= 0)
		works = u.state == UNIT_ACTIVE || u.state == UNIT_CHANGING;
	unit_facts_done(&u);
	return works;
}

/* Until nothing is owed, or the executor has given up. */
static int wait_served(struct ctl *c, uint64_t deadline, struct units *ret)
{
	const struct timespec step = {.tv_nsec = (long)(POLL_USEC * NSEC_PER_USEC)};

	for (;;) {
		bool works = executor_works(c); /* asked first: it may end right after */
		_cleanup_(units_done) struct units u = {0};
		_cleanup_(pass_done) struct pass p = {0};
		int r = pass_look(&c->root, c->observer, &p);

		if (r >= 0)
			r = ctl_units(c, &p, &u);
		if (r < 0)
			return r;
		if (!units_owed(&u) || !works || clock_usec(CLOCK_MONOTONIC) > deadline) {
			*ret = u;
			u = (struct units){0};
			return 0;
		}
		(void)nanosleep(&step, NULL);
	}
}

/* Does each unit that ran before still run? A stopped one is owed nothing, and is no success. */
static bool all_run_still(const struct units *before, const struct units *after)
{
	for (size_t i = 0; i < before->n; i++) {
		enum unit_state was = before->items[i].unit.state;
		bool runs = was != UNIT_ACTIVE && was != UNIT_CHANGING;

		for (size_t j = 0; j < after->n && !runs; j++)
			runs = str_eq(before->items[i].unit.name, after->items[j].unit.name) &&
			       (after->items[j].unit.state == UNIT_ACTIVE ||
				after->items[j].unit.state == UNIT_CHANGING);
		if (!runs)
			return false;
	}
	return true;
}

static int say_last_reload(struct ctl *c, struct done *d, const char *result)
{
	_cleanup_free_ char *last = NULL, *text = NULL;
	int r = ctl_last_reload(c, &last);

	if (r < 0)
		return r;
	if (asprintf(&text, "the reload is not confirmed: the job's result is %s%s%s",
		     result ? result : "unknown", last ? "; last reload: " : "",
		     last ? last : "") < 0) {
		text = NULL;
		return -ENOMEM;
	}
	log_msg(LOG_ERR, "%s", text);
	not_confirmed(d);
	return 0;
}

static int reload_and_wait(struct ctl *c, struct done *d)
{
	uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + RELOAD_LIMIT_USEC;
	_cleanup_(units_done) struct units before = {0};
	_cleanup_free_ char *result = NULL;
	int r;

	if (ctl_has(c, CTL_FORCE)) {
		r = state_request_reload(&c->root, NULL);
		if (r < 0)
			return log_errno(LOG_ERR, r, "Cannot record the request");
	}
	r = unit_ask_executor_and_wait(c->manager, RELOAD_LIMIT_USEC, &result);
	if (r < 0) {
		log_errno(LOG_ERR, r, "The reload was not confirmed");
		not_confirmed(d);
		return 0;
	}
	d->asked = true;
	before = d->units;
	d->units = (struct units){0};
	r = wait_served(c, deadline, &d->units);
	if (r < 0)
		return r;
	if (units_owed(&d->units) || !str_eq(result, "done") || !all_run_still(&before, &d->units))
		return say_last_reload(c, d, result);
	return worded(d, "the server runs with all of it now");
}

static int bring_about(struct ctl *c, struct done *d)
{
	bool wanted = d->pass.outcome.n_changes > 0 || ctl_has(c, CTL_FORCE);

	if (c->manager_error) {
		log_errno(LOG_ERR, c->manager_error, "Cannot ask the service manager");
		not_confirmed(d);
		return 0;
	}
	if (!c->manager) {
		if (wanted)
			not_confirmed(d);
		return worded(d, root_is_host(&c->root)
					 ? "no service manager: nobody was asked to reload"
					 : "below another root: nobody was asked to reload");
	}
	if (d->pass.plan.not_known) {
		log_msg(LOG_ERR, "no reload is asked for while not all is known");
		return 0;
	}
	if (!any_runs(&d->units))
		return worded(d, "the server does not run, so nothing is owed to it");
	if (!units_owed(&d->units) && !ctl_has(c, CTL_FORCE))
		return worded(d, "nothing is owed: the server runs with all of it");
	if (d->pass.config.action == ACTION_NONE) {
		log_msg(LOG_ERR, "Action=none: the reload is yours to do");
		not_confirmed(d);
		return 0;
	}
	return reload_and_wait(c, d);
}

int ctl_pass(struct ctl *c, enum ctl_reload how)
{
	_cleanup_(done_done) struct done d = {0};
	int r = do_pass(c, &d.pass);

	if (r != 0)
		return r;
	d.code = pass_exit_code(&d.pass);
	r = say_outcome(&d.pass);
	if (r >= 0)
		r = look_at_units(c, how, &d);
	if (r >= 0 && d.pass.config.not_known)
		; /* not even which units there are, and what they load */
	else if (r >= 0 && c->unit)
		r = record_start(c, &d);
	else if (r >= 0 && ctl_has(c, CTL_FORBID_RELOAD))
		r = state_write_text(&c->root, STATE_FILE_FORBIDDEN, d.units.set);
	else if (r >= 0 && how == CTL_RELOAD_ASK)
		r = ask(c, &d);
	else if (r >= 0 && how == CTL_RELOAD_WAIT)
		r = bring_about(c, &d);
	if (r >= 0)
		r = print_done(c, &d);
	return r < 0 ? r : d.code;
}

int verb_sync(struct ctl *c)
{
	if (ctl_has(c, CTL_DRY_RUN))
		return verb_plan(c);
	return ctl_pass(c, ctl_has(c, CTL_NO_RELOAD | CTL_FORBID_RELOAD) ? CTL_RELOAD_LEAVE
									 : CTL_RELOAD_ASK);
}

int verb_reload(struct ctl *c)
{
	int r;

	if (ctl_has(c, CTL_HOOK))
		return ctl_reload_hook(c);
	r = lift_policy(c);
	if (r < 0)
		return log_errno(LOG_ERR, r, "Cannot lift what a policy forbade");
	return ctl_pass(c, CTL_RELOAD_WAIT);
}
