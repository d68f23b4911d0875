/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan: what a pass would do, and the fingerprint of what it looked at. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/wording.h"

#include <inttypes.h>

static bool is_change(const struct plan_link *l)
{
	return l->action != LINK_KEEP && l->action != LINK_FOREIGN;
}

/* Why the pass would do that. */
static int reason(const struct pass *p, const struct plan_link *l, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (l->action == LINK_HOLD)
		buf_add(&b, "not all is known, so it stays as it is");
	else if (l->action == LINK_REMOVE && l->renamed)
		buf_add(&b, "the plugin's link has another name now");
	else if (l->action == LINK_REMOVE && !l->reason)
		buf_add(&b, "no file of this plugin is left");
	else if (l->action == LINK_CREATE && l->restored)
		buf_add(&b, "somebody deleted it");
	if (l->action == LINK_REMOVE && l->reason && !l->renamed) {
		_cleanup_free_ char *words = NULL;
		size_t at = (size_t)(l->reason - p->plan.verdicts);
		int r = wording_verdict(&p->config, &p->seen, &p->seen.candidates[at], l->reason,
					&words);

		if (r < 0)
			return r;
		buf_printf(&b, "%s: ", gate_to_string(l->reason->gate));
		buf_add(&b, words);
	}
	if (l->action == LINK_REPLACE) {
		buf_add(&b, "leads to ");
		buf_escape(&b, l->seen->text);
		buf_add(&b, " now");
	}
	return buf_take(&b, ret);
}

static int add_row(struct table *t, const struct pass *p, const struct plan_link *l)
{
	static const enum colour colours[LINK_ACTION_MAX] = {
		[LINK_CREATE] = COLOUR_GOOD,
		[LINK_REPLACE] = COLOUR_WARN,
		[LINK_REMOVE] = COLOUR_BAD,
		[LINK_HOLD] = COLOUR_WARN,
	};
	_cleanup_free_ char *why = NULL;
	int r = reason(p, l, &why);

	if (r >= 0)
		r = table_row(t);
	if (r >= 0)
		r = table_words(t, 0, colours[l->action], link_action_to_string(l->action));
	if (r >= 0)
		r = table_name(t, 1, l->name);
	if (r >= 0)
		r = table_name(t, 2, l->text ? l->text : l->seen->text);
	if (r >= 0)
		r = table_words(t, 3, COLOUR_NONE, why);
	return r;
}

static int print_units(const struct pass *p, const struct units *u)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct unit_next *at = &u->items[i];
		const struct decide_facts f = units_facts(u, p, i);
		_cleanup_free_ char *words = NULL, *name = str_escape(at->unit.name);
		int r = wording_decision(&f, &at->next, &words);

		if (r < 0 || !name)
			return -ENOMEM;
		if (at->unit.state != UNIT_NO_MANAGER)
			printf("%s: %s\n", name, words);
	}
	return 0;
}

static int print_plan(struct ctl *c, const struct pass *p, const struct units *u,
		      uint64_t fingerprint)
{
	static const struct table_column columns[] = {
		{"ACTION", false},
		{"LINK", false},
		{"TARGET", true},
		{"WHY", true},
	};
	_cleanup_table_ struct table *t = NULL;
	int r = table_new(columns, ELEMENTSOF(columns), &t);

	if (r >= 0)
		r = ctl_say_remarks(p);
	if (r >= 0)
		r = ctl_say_trouble(p);
	if (r >= 0)
		r = ctl_say_parent(p);
	for (size_t i = 0; r >= 0 && i < p->plan.n_links; i++)
		if (is_change(&p->plan.links[i]))
			r = add_row(t, p, &p->plan.links[i]);
	if (r < 0)
		return r;
	if (p->plan.directory == PLAN_DIRECTORY_MAKE)
		printf("the links directory would be made\n");
	if (p->plan.directory == PLAN_DIRECTORY_TAKE_OVER)
		printf("the links directory would be taken over: to root, mode 0755\n");
	r = table_print(t, &c->output);
	if (r >= 0 && ctl_pending(p) == 0)
		printf("nothing to change\n");
	if (r >= 0)
		r = print_units(p, u);
	if (r >= 0)
		printf("%sfingerprint %016" PRIx64 "%s\n", output_colour(&c->output, COLOUR_DIM),
		       fingerprint, output_plain(&c->output));
	return r;
}

static void doc_link(struct doc *d, struct json_object *o, const struct pass *p,
		     const struct plan_link *l)
{
	_cleanup_free_ char *why = NULL;

	if (reason(p, l, &why) < 0)
		d->failed = true;
	doc_words(d, o, "action", link_action_to_string(l->action));
	doc_name(d, o, "link", l->name);
	doc_name(d, o, "plugin", l->key);
	doc_name(d, o, "target", l->text);
	doc_name(d, o, "was", l->seen ? l->seen->text : NULL);
	doc_words(d, o, "gate", l->reason ? gate_to_string(l->reason->gate) : NULL);
	doc_words(d, o, "text", why && *why ? why : NULL);
}

static int doc_plan(struct ctl *c, const struct pass *p, const struct units *u,
		    uint64_t fingerprint)
{
	static const char *const directories[PLAN_DIRECTORY_MAX] = {
		[PLAN_DIRECTORY_FINE] = "fine",           [PLAN_DIRECTORY_MAKE] = "make",
		[PLAN_DIRECTORY_TAKE_OVER] = "take-over", [PLAN_DIRECTORY_REFUSED] = "refused",
		[PLAN_DIRECTORY_NO_PARENT] = "no-parent", [PLAN_DIRECTORY_LEFT] = "left",
	};
	_cleanup_doc_ struct doc d = {0};
	struct json_object *links;
	char text[17];
	int r;

	(void)snprintf(text, sizeof(text), "%016" PRIx64, fingerprint);
	doc_init(&d, "plan");
	doc_words(&d, d.top, "fingerprint", text);
	doc_words(&d, d.top, "directory", directories[p->plan.directory]);
	links = doc_array(&d, d.top, "changes");
	for (size_t i = 0; i < p->plan.n_links; i++)
		if (is_change(&p->plan.links[i]))
			doc_link(&d, doc_item(&d, links), p, &p->plan.links[i]);
	ctl_doc_server(&d, p);
	r = ctl_doc_units(&d, p, u);
	if (r < 0)
		return r;
	ctl_doc_trouble(c, &d, p);
	return doc_print(&d);
}

int verb_plan(struct ctl *c)
{
	_cleanup_(pass_done) struct pass p = {0};
	_cleanup_(units_done) struct units u = {0};
	uint64_t fingerprint = 0;
	int r = ctl_look(c, &p);

	if (r >= 0)
		r = ctl_units(c, &p, &u);
	if (r >= 0)
		r = plan_fingerprint(&p.config, &p.seen, &fingerprint);
	if (r < 0)
		return r;
	return ctl_has(c, CTL_JSON) ? doc_plan(c, &p, &u, fingerprint)
				    : print_plan(c, &p, &u, fingerprint);
}
