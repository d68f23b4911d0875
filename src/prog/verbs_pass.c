/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sync, reload, enable, disable, clean: what changes something. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/wording.h"
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

static const struct pass *as_it_is(const struct done *d)
{
	return d->pass.outcome.n_changes > 0 ? &d->after : &d->pass;
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
		if (r >= 0 && d->asked.words)
			printf("%s\n", d->asked.words);
		return r;
	}
	doc_init(&doc, c->verb->name);
	doc_changes(&doc, o, d->pass.config.links);
	doc_number(&doc, doc.top, "swept", (int64_t)o->n_swept);
	doc_truth(&doc, doc.top, "reload-asked", d->asked.asked);
	doc_words(&doc, doc.top, "reload", d->asked.words);
	doc_words(&doc, doc.top, "answer",
		  d->asked.asked ? answer_word_to_string(d->asked.word) : NULL);
	r = ctl_doc_units(&doc, as_it_is(d), &d->units);
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
	return ctl_has(c, CTL_HOOK) ? ctl_reload_hook(c) : ctl_pass(c, CTL_RELOAD_PERSON);
}
