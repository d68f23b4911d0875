/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sync, reload, enable, disable, clean: what changes something. */
#include "prog/ctl.h"

#include "prog/log.h"
#include "sys/apply.h"
#include "sys/booted.h"
#include "sys/conf.h"
#include "sys/pkglock.h"
#include "sys/record.h"
#include "sys/state.h"

#include <inttypes.h>

/* What one call of a verb did, until it is printed. */
struct done {
	struct pass pass;
	struct pass after; /* the look behind it, if it changed anything */
	struct units units;
	struct ctl_asked asked;
	int code;
};

static void done_done(struct done *d)
{
	pass_done(&d->pass);
	pass_done(&d->after);
	units_done(&d->units);
	ctl_asked_done(&d->asked);
}

static int say_cannot(struct ctl *c, int error)
{
	bool right = error == -EACCES || error == -EPERM || error == -EROFS;

	return log_errno(LOG_ERR, error, "Cannot do a pass: cannot make " STATE_RUN_DIR "%s",
			 right && root_is_host(&c->root) ? " (this needs root)" : "");
}

/* What a policy forbids is written down before the lock is let go: whoever looks next finds both,
 * the links and that they are not to be loaded now. */
static int forbid(struct ctl *c, struct pass *p)
{
	_cleanup_(pass_done) struct pass after = {0};
	_cleanup_free_ char *set = NULL;
	int r = p->outcome.n_changes > 0 ? pass_look(&c->root, c->observer, &after) : 0;

	if (r >= 0)
		r = loaded_set_make(p->outcome.n_changes > 0 ? &after.seen : &p->seen, &set);
	if (r >= 0)
		r = record_forbid(&c->root, set);
	return r < 0 && r != -ENOMEM ? log_errno(LOG_ERR, r, "Cannot write down what is forbidden")
				     : r;
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
	r = pass_apply(&c->root, p);
	return r >= 0 && ctl_has(c, CTL_FORBID_RELOAD) && booted(&c->root) ? forbid(c, p) : r;
}

static int say_outcome(const struct pass *p)
{
	const struct outcome *o = &p->outcome;
	int r = ctl_say(p, CTL_SAY_REMARKS | CTL_SAY_TROUBLE);

	if (r >= 0 && o->directory_error) {
		_cleanup_buf_ struct buf b = BUF_INIT;

		word_directory_error(&b, o, p->config.links);
		if (b.failed)
			return -ENOMEM;
		log_msg(LOG_ERR, "%s", buf_text(&b));
	}
	if (o->sync_error)
		log_errno(LOG_ERR, o->sync_error,
			  "The links are changed, but may not survive a crash: fsync");
	if (o->names_error)
		log_errno(LOG_WARNING, o->names_error,
			  "Cannot write the record of link names below " STATE_VAR_DIR);
	return r;
}

static const struct face line = {NULL, PLACE_LINE};

static void doc_directory(struct doc *d, const struct pass *p)
{
	const struct outcome *o = &p->outcome;

	if (o->directory == PLAN_DIRECTORY_MAKE && !o->directory_error)
		buf_add(doc_add(d, &line), "made the links directory");
	if (o->directory == PLAN_DIRECTORY_TAKE_OVER && !o->directory_error)
		buf_printf(doc_add(d, &line),
			   "took the links directory %s over: it belongs to root now, mode 0755",
			   p->config.links);
}

static void doc_changes(struct doc *d, const struct pass *p)
{
	static const struct face text = {"text", PLACE_LINE, .wrap = true, .indent = 4};

	doc_array(d, "changes");
	for (size_t i = 0; i < p->outcome.n_changes; i++) {
		const struct change *ch = &p->outcome.changes[i];

		doc_object(d, "");
		doc_name(d, "action", link_action_to_string(ch->action));
		doc_name(d, "result", change_result_to_string(ch->result));
		doc_name(d, "link", ch->name);
		doc_name(d, "plugin", ch->key);
		doc_name(d, "target", ch->text);
		doc_name(d, "was", ch->was);
		doc_name(d, "gate", ch->why);
		word_change(doc_add(d, &text), ch, p->config.links);
		doc_colour(d, ch->result == CHANGE_DONE ? COLOUR_NONE : COLOUR_BAD);
		doc_end(d);
	}
	doc_end(d);
}

static const struct pass *as_it_is(const struct done *d)
{
	return d->pass.outcome.n_changes > 0 ? &d->after : &d->pass;
}

static int show_done(struct ctl *c, const struct done *done)
{
	static const struct face reload = {"reload", PLACE_LINE};
	_cleanup_doc_ struct doc d = {0};
	const struct outcome *o = &done->pass.outcome;

	ctl_doc_init(&d, c);
	doc_directory(&d, &done->pass);
	doc_changes(&d, &done->pass);
	doc_number(&d, "swept", (int64_t)o->n_swept);
	if (o->n_swept > 0)
		buf_printf(doc_add(&d, &line), "swept %zu left-over%s of a pass that was cut off",
			   o->n_swept, o->n_swept == 1 ? "" : "s");
	if (o->n_changes == 0 && done->code == CTL_DONE)
		buf_add(doc_add(&d, &line), "nothing to change");
	doc_truth(&d, "reload-asked", done->asked.asked);
	buf_join(doc_add(&d, &reload), &done->asked.words);
	doc_name(&d, "answer", done->asked.asked ? answer_word_to_string(done->asked.word) : NULL);
	d.hidden = true;
	ctl_doc_units(&d, as_it_is(done), &done->units);
	ctl_doc_server(&d, &done->pass);
	ctl_doc_trouble(&d, &done->pass);
	doc_number(&d, "exit", done->code);
	return doc_show(&d, &c->output);
}

/* What the units are owed now that the links are as they are. The outcome may differ from the plan,
 * so this looks anew if anything was changed; unchanged files are not opened again. */
static int look_at_units(struct ctl *c, enum ctl_reload how, struct done *d)
{
	const struct units_source none = {0};
	int r = d->pass.outcome.n_changes > 0 ? pass_look(&c->root, c->observer, &d->after) : 0;

	if (r < 0)
		return r;
	/* Who asks nobody, a start hook above all, must not wait for the bus either. */
	if (how == CTL_RELOAD_LEAVE || c->unit)
		return ctl_say_units(units_look(&c->root, as_it_is(d), &none, &d->units));
	return ctl_units(c, as_it_is(d), &d->units);
}

/* A start also ends what a policy forbade: it was about another set, or it is loaded now. */
static int record_start(struct ctl *c, struct done *d)
{
	const char *invocation = getenv("INVOCATION_ID");
	int r;

	if (!invocation || strlen(invocation) != 32 ||
	    strspn(invocation, "0123456789abcdef") != 32) {
		log_msg(LOG_WARNING, "no INVOCATION_ID in the environment: nothing is recorded");
		return 0;
	}
	r = record_forbid(&c->root, NULL);
	if (r >= 0)
		r = record_write_loaded(&c->root, c->unit, invocation, d->units.set,
					RECORD_BY_HOOK);
	return r < 0 ? log_errno(LOG_ERR, r, "Cannot record what this start of %s loads", c->unit)
		     : 0;
}

/* Asks, waits, and looks at the units as they are then. */
static int bring_about(struct ctl *c, enum ctl_reload how, struct done *d)
{
	int r = ctl_ask(c, as_it_is(d), &d->units, how, &d->asked);

	/* The gravest is given: 1, 5, 4, 3. */
	if (d->code == CTL_DONE)
		d->code = d->asked.code;
	if (r < 0 || !d->asked.asked || c->wait == ANSWER_NONE)
		return r;
	units_done(&d->units);
	return ctl_units(c, as_it_is(d), &d->units);
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
	else if (r >= 0 && how != CTL_RELOAD_LEAVE)
		r = bring_about(c, how, &d);
	if (r >= 0)
		r = show_done(c, &d);
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
	return ctl_has(c, CTL_HOOK) ? ctl_reload_hook(c) : ctl_pass(c, CTL_RELOAD_PERSON);
}
