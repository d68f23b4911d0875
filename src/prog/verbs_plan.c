/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan: what a pass would do, and the fingerprint of what it looked at. */
#include "prog/ctl.h"

#include <inttypes.h>

enum {
	ACTION,
	LINK,
	TARGET,
	WHY,
	COLUMNS_MAX,
};

static const struct face columns[COLUMNS_MAX] = {
	[ACTION] = {"action", PLACE_COLUMN, "ACTION"},
	[LINK] = {"link", PLACE_COLUMN, "LINK"},
	[TARGET] = {NULL, PLACE_DETAIL, "TARGET"},
	[WHY] = {"text", PLACE_DETAIL, "WHY"},
};

static const struct face line = {NULL, PLACE_LINE};
static const struct face dim_line = {NULL, PLACE_LINE, .colour = COLOUR_DIM};

/* Why the pass would do that. */
static void word_reason(struct buf *b, const struct pass *p, const struct plan_link *l)
{
	if (l->action == LINK_HOLD) {
		word_future(b, l->action, "it");
	} else if (l->action == LINK_REPLACE) {
		buf_printf(b, "leads to %s now", l->seen->text);
	} else if (l->action == LINK_CREATE) {
		buf_add(b, l->restored ? "somebody deleted it" : "");
	} else if (l->renamed) {
		buf_add(b, "the plugin's link has another name now");
	} else if (!l->reason) {
		buf_add(b, "no file of this plugin is left");
	} else {
		buf_printf(b, "%s: ", gate_to_string(l->reason->gate));
		word_verdict(b, &p->config, &p->seen,
			     &p->seen.candidates[l->reason - p->plan.verdicts], l->reason);
	}
}

static void doc_change(struct doc *d, const struct pass *p, const struct plan_link *l)
{
	static const enum colour colours[LINK_ACTION_MAX] = {
		[LINK_CREATE] = COLOUR_GOOD,
		[LINK_REPLACE] = COLOUR_WARN,
		[LINK_REMOVE] = COLOUR_BAD,
		[LINK_HOLD] = COLOUR_WARN,
	};

	doc_object(d, "");
	doc_put(d, &columns[ACTION], link_action_to_string(l->action));
	doc_colour(d, colours[l->action]);
	doc_put(d, &columns[LINK], l->name);
	doc_name(d, "plugin", l->key);
	doc_name(d, "target", l->text);
	doc_put(d, &columns[TARGET], l->text ? l->text : l->seen->text);
	doc_name(d, "was", l->seen ? l->seen->text : NULL);
	doc_name(d, "gate", l->reason ? gate_to_string(l->reason->gate) : NULL);
	word_reason(doc_add(d, &columns[WHY]), p, l);
	doc_end(d);
}

static void doc_changes(struct doc *d, const struct pass *p)
{
	if (p->plan.directory == PLAN_DIRECTORY_MAKE)
		buf_add(doc_add(d, &line), "the links directory would be made");
	if (p->plan.directory == PLAN_DIRECTORY_TAKE_OVER)
		buf_add(doc_add(d, &line),
			"the links directory would be taken over: to root, mode 0755");
	doc_table(d, "changes", columns, COLUMNS_MAX);
	for (size_t i = 0; i < p->plan.n_links; i++)
		if (p->plan.links[i].action != LINK_KEEP && p->plan.links[i].action != LINK_FOREIGN)
			doc_change(d, p, &p->plan.links[i]);
	doc_end(d);
	if (plan_changes(&p->plan) == 0)
		buf_add(doc_add(d, &line), "nothing to change");
}

static void doc_owed(struct doc *d, const struct pass *p, const struct units *u)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct decide_facts f = units_facts(u, p, i);

		if (f.unit->state == UNIT_NO_MANAGER)
			continue;
		buf_printf(doc_add(d, &line), "%s: ", f.unit->name);
		word_decision(&d->text, &f, &u->items[i].next);
	}
}

int verb_plan(struct ctl *c)
{
	_cleanup_(pass_done) struct pass p = {0};
	_cleanup_(units_done) struct units u = {0};
	_cleanup_doc_ struct doc d = {0};
	uint64_t fingerprint = 0;
	int r = ctl_look(c, &p);

	if (r >= 0)
		r = ctl_units(c, &p, &u);
	if (r >= 0)
		r = plan_fingerprint(&p.config, &p.seen, &fingerprint);
	if (r >= 0 && !ctl_has(c, CTL_JSON))
		r = ctl_say(&p, CTL_SAY_REMARKS | CTL_SAY_TROUBLE | CTL_SAY_PARENT);
	if (r < 0)
		return r;
	doc_init(&d, "plan"); /* also of `sync --dry-run` */
	buf_printf(doc_words(&d, "fingerprint"), "%016" PRIx64, fingerprint);
	doc_name(&d, "directory", plan_directory_to_string(p.plan.directory));
	doc_changes(&d, &p);
	doc_owed(&d, &p, &u);
	buf_printf(doc_add(&d, &dim_line), "fingerprint %016" PRIx64, fingerprint);
	d.hidden = true;
	ctl_doc_server(&d, &p);
	ctl_doc_units(&d, &p, &u);
	ctl_doc_trouble(&d, &p);
	return doc_show(&d, &c->output);
}
