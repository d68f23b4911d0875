/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sync, reload, enable, disable, clean: what changes something. */
#include "prog/ctl.h"

#include "prog/log.h"
#include "sys/record.h"
#include "sys/state.h"

/* What one call of a verb did, until it is printed. */
struct done {
	struct pass pass;
	struct units units;
	struct ctl_asked asked;
	int code;
};

static void done_done(struct done *d)
{
	pass_done(&d->pass);
	units_done(&d->units);
	ctl_asked_done(&d->asked);
}

static const struct face line = {NULL, PLACE_LINE};

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

static int show_done(struct ctl *c, const struct done *done)
{
	static const struct face reload = {"reload", PLACE_LINE};
	_cleanup_doc_ struct doc d = {0};
	const struct outcome *o = &done->pass.outcome;

	ctl_doc_init(&d, c);
	d.hidden = log_is_journal(); /* which has them already, with their fields */
	if (!o->directory_error)
		word_directory(doc_add(&d, &line), o, done->pass.config.links);
	doc_changes(&d, &done->pass);
	d.hidden = false;
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
	ctl_doc_units(&d, &done->pass, &done->units);
	ctl_doc_server(&d, &done->pass);
	ctl_doc_trouble(&d, &done->pass);
	doc_number(&d, "exit", done->code);
	return doc_show(&d, &c->output);
}

/* What the units are owed now that the links are as they are. Who asks nobody, a start hook above
 * all, must not wait for the bus either. */
static int look_at_units(struct ctl *c, enum ctl_reload how, struct done *d)
{
	const struct units_source none = {0};

	if (d->pass.again_error < 0) /* said; the executor will see what they are owed */
		return 0;
	if (how == CTL_RELOAD_LEAVE || c->unit)
		return ctl_say_units(units_look(&c->root, &d->pass, &none, &d->units));
	return ctl_units(c, &d->pass, &d->units);
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
	int r = ctl_ask(c, &d->pass, &d->units, how, &d->asked);

	/* The gravest is given: 1, 5, 4, 3. */
	if (d->code == CTL_DONE)
		d->code = d->asked.code;
	if (r < 0 || !d->asked.asked || c->wait == ANSWER_NONE || d->pass.again_error < 0)
		return r;
	units_done(&d->units);
	return ctl_units(c, &d->pass, &d->units);
}

int ctl_pass(struct ctl *c, enum ctl_reload how)
{
	static const struct {
		enum ctl_option option;
		enum pass_flags flag;
	} flags[] = {
		{CTL_HOLD, PASS_HOLD},
		{CTL_PLAN, PASS_EXPECT},
		{CTL_FORBID_RELOAD, PASS_FORBID},
	};
	_cleanup_(done_done) struct done d = {0};
	struct pass_how pass =
		ctl_how(c, PASS_CHANGE | PASS_LOOK_AGAIN | (c->unit ? 0 : PASS_ANSWER));
	int r;

	for (size_t i = 0; i < ELEMENTSOF(flags); i++)
		pass.flags |= ctl_has(c, flags[i].option) ? flags[i].flag : 0;
	r = pass_run(&pass, &d.pass);

	if (r != 0)
		return r;
	d.code = pass_exit_code(&d.pass);
	r = ctl_say(&d.pass, CTL_SAY_REMARKS | CTL_SAY_TROUBLE);
	if (r >= 0)
		r = look_at_units(c, how, &d);
	if (r >= 0 && d.pass.config.not_known)
		; /* not even which units there are, and what they load */
	else if (r >= 0 && c->unit)
		r = d.units.set ? record_start(c, &d) : 0;
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
