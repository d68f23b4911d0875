/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sync, reload, enable, disable, clean: what changes something. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/wording.h"
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

static int say_outcome(const struct pass *p)
{
	int r = ctl_say_remarks(p);

	return r < 0 ? r : ctl_say_trouble(p);
}

static int print_changes(struct ctl *c, const struct pass *p)
{
	const struct outcome *o = &p->outcome;
	_cleanup_free_ char *directory = NULL;
	bool told = log_is_journal(); /* which has them already, with their fields */
	int k = wording_directory(o, p->config.links, &directory);

	if (k < 0)
		return k;
	if (!told && *directory && !o->directory_error)
		printf("%s\n", directory);
	for (size_t i = 0; !told && i < o->n_changes; i++) {
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
	struct json_object *changes = doc_array(d, d->top, "changes");

	for (size_t i = 0; i < o->n_changes; i++) {
		const struct change *ch = &o->changes[i];
		struct json_object *at = doc_item(d, changes);
		_cleanup_free_ char *words = NULL;

		if (wording_change(ch, links, &words) < 0)
			d->failed = true;
		doc_words(d, at, "action", link_action_to_string(ch->action));
		doc_words(d, at, "result", change_result_to_string(ch->result));
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
	r = ctl_doc_units(&doc, &d->pass, &d->units);
	if (r < 0)
		return r;
	ctl_doc_server(&doc, &d->pass);
	ctl_doc_trouble(c, &doc, &d->pass);
	doc_number(&doc, doc.top, "exit", d->code);
	return doc_print(&doc);
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
	r = say_outcome(&d.pass);
	if (r >= 0)
		r = look_at_units(c, how, &d);
	if (r >= 0 && d.pass.config.not_known)
		; /* not even which units there are, and what they load */
	else if (r >= 0 && c->unit)
		r = d.units.set ? record_start(c, &d) : 0;
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
