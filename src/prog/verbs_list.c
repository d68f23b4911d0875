/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list: every candidate, and every entry of the links directory that leads to none. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/version.h"
#include "core/wording.h"

enum state {
	STATE_LINKED,
	STATE_PENDING, /* fits, and its link is not made yet */
	STATE_NOT_LINKED,
	STATE_DANGLING,     /* a link of ours that leads nowhere */
	STATE_NO_CANDIDATE, /* a link of ours to something that is none */
	STATE_FOREIGN,
	STATE_MAX,
};

static const char *const states[STATE_MAX] = {
	[STATE_LINKED] = "linked",         [STATE_PENDING] = "pending",
	[STATE_NOT_LINKED] = "not-linked", [STATE_DANGLING] = "dangling",
	[STATE_FOREIGN] = "foreign",       [STATE_NO_CANDIDATE] = "no-candidate",
};

static const enum colour colours[STATE_MAX] = {
	[STATE_LINKED] = COLOUR_GOOD,    [STATE_PENDING] = COLOUR_WARN,
	[STATE_NOT_LINKED] = COLOUR_BAD, [STATE_DANGLING] = COLOUR_BAD,
	[STATE_FOREIGN] = COLOUR_DIM,    [STATE_NO_CANDIDATE] = COLOUR_BAD,
};

struct row {
	enum state state;
	const char *name; /* raw bytes, may be NULL; likewise the next three */
	const char *version;
	const char *link;
	const char *target;
	const struct candidate *candidate;
	const struct verdict *verdict; /* of the candidate */
	char *reason;                  /* words */
};

struct rows {
	struct row *items;
	size_t n;
};

static void rows_done(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->items[i].reason);
	free(r->items);
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int c = str_cmp(x->name, y->name);

	if (!c)
		c = version_compare(y->version, x->version);
	if (!c)
		c = str_cmp(x->target, y->target);
	return c ? c : str_cmp(x->link, y->link);
}

/* "" or what a pass is going to do about a link that is there. */
static void add_future(struct buf *b, const struct plan_link *l)
{
	if (l->action == LINK_REMOVE)
		buf_add(b, "; a pass removes its link");
	else if (l->action == LINK_REPLACE)
		buf_add(b, "; a pass points its link elsewhere");
	else if (l->action == LINK_HOLD)
		buf_add(b, "; its link stays, for not all is known");
}

/* Linked, and nobody knows whether rightly (rule 4). */
static void add_kept(struct buf *b, const struct pass *p, const struct row *row)
{
	for (size_t i = 0; i < p->plan.n_findings; i++) {
		const struct finding *f = &p->plan.findings[i];

		if (f->code == FINDING_UNVERSIONED_KEPT && str_eq(f->other, row->target))
			buf_printf(b, "says no version; linked for %s, kept for %s", f->was_for,
				   f->is_for);
	}
}

static int candidate_reason(const struct pass *p, struct row *row, const struct plan_link *l,
			    bool now)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *words = NULL;
	int r;

	if (row->state == STATE_PENDING) {
		buf_add(&b, l ? "a pass makes its link" : "its link cannot be made");
		if (l && l->seen) {
			buf_add(&b, " (which leads to ");
			buf_escape(&b, l->seen->text);
			buf_add(&b, " now)");
		}
	} else if (row->verdict->gate != GATE_LINKED) {
		r = wording_verdict(&p->config, &p->seen, row->candidate, row->verdict, &words);
		if (r < 0)
			return r;
		buf_add(&b, words);
	} else {
		add_kept(&b, p, row);
	}
	if (l && now && row->state != STATE_LINKED)
		add_future(&b, l);
	return buf_take(&b, &row->reason);
}

static int add_candidate(const struct pass *p, size_t i, struct row *row)
{
	const struct candidate *k = &p->seen.candidates[i];
	bool now = false;
	const struct plan_link *l = ctl_link_of(p, k, &now);

	*row = (struct row){
		.name = k->name.problem == NAME_FINE ? k->name.name : NULL,
		.version = p->plan.verdicts[i].version,
		.link = l ? l->name : NULL,
		.target = k->path,
		.candidate = k,
		.verdict = &p->plan.verdicts[i],
	};
	if (l && now && l->action == LINK_KEEP && row->verdict->gate == GATE_LINKED)
		row->state = STATE_LINKED;
	else
		row->state = row->verdict->gate == GATE_LINKED ? STATE_PENDING : STATE_NOT_LINKED;
	return candidate_reason(p, row, l, now);
}

static bool leads_to_candidate(const struct pass *p, const struct plan_link *l)
{
	for (size_t i = 0; i < p->seen.n_candidates; i++)
		if (str_eq(l->seen->target, p->seen.candidates[i].path))
			return true;
	return false;
}

static int add_entry(const struct plan_link *l, struct row *row)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	*row = (struct row){
		.name = l->key,
		.link = l->name,
		.target = l->seen->text,
		.state = l->action == LINK_FOREIGN ? STATE_FOREIGN
			 : l->seen->dangling       ? STATE_DANGLING
						   : STATE_NO_CANDIDATE,
	};
	if (l->action == LINK_FOREIGN)
		buf_add(&b, l->seen->kind == LINK_OTHER ? "no symlink; not ours, left alone"
							: "not ours, left alone");
	else
		buf_add(&b, l->seen->dangling ? "leads nowhere" : "leads to what is no candidate");
	add_future(&b, l);
	return buf_take(&b, &row->reason);
}

static int make_rows(const struct pass *p, struct rows *ret)
{
	int r = 0;

	ret->items = calloc(p->seen.n_candidates + p->plan.n_links + 1, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < p->seen.n_candidates; i++)
		r = add_candidate(p, i, &ret->items[ret->n++]);
	for (size_t i = 0; r >= 0 && i < p->plan.n_links; i++) {
		const struct plan_link *l = &p->plan.links[i];

		if (!l->seen || (l->action != LINK_FOREIGN && leads_to_candidate(p, l)))
			continue;
		r = add_entry(l, &ret->items[ret->n++]);
	}
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare_rows);
	return r;
}

/* What nobody need do anything about is not painted as bad: it is meant so, or another file of the
 * plugin serves. */
static bool is_quiet(const struct rows *rows, const struct row *row)
{
	if (!row->candidate || row->state != STATE_NOT_LINKED)
		return false;
	if (row->verdict->gate == GATE_DISABLED)
		return true;
	for (size_t i = 0; i < rows->n; i++)
		if (rows->items[i].state == STATE_LINKED && row->name &&
		    str_eq(rows->items[i].candidate->name.key, row->candidate->name.key))
			return true;
	return false;
}

static int print_rows(struct ctl *c, const struct rows *rows)
{
	static const struct table_column columns[] = {
		{"NAME", false}, {"VERSION", false}, {"STATE", false},
		{"LINK", false}, {"TARGET", true},   {"REASON", true},
	};
	_cleanup_table_ struct table *t = NULL;
	int r = table_new(columns, ELEMENTSOF(columns), &t);

	for (size_t i = 0; r >= 0 && i < rows->n; i++) {
		const struct row *row = &rows->items[i];
		bool quiet = is_quiet(rows, row);

		r = table_row(t);
		if (r >= 0)
			r = table_name(t, 0, row->name);
		if (r >= 0)
			r = table_name(t, 1, row->version);
		if (r >= 0)
			r = table_words(t, 2, quiet ? COLOUR_DIM : colours[row->state],
					row->state == STATE_NOT_LINKED
						? gate_to_string(row->verdict->gate)
						: states[row->state]);
		if (r >= 0)
			r = table_name(t, 3, row->link);
		if (r >= 0)
			r = table_name(t, 4, row->target);
		if (r >= 0)
			r = table_words(t, 5, COLOUR_NONE, row->reason);
	}
	return r < 0 ? r : table_print(t, &c->output);
}

static void doc_row(struct doc *d, struct json_object *o, const struct row *row)
{
	const struct candidate *k = row->candidate;

	doc_name(d, o, "name", row->name);
	doc_name(d, o, "version", row->version);
	doc_words(d, o, "state", states[row->state]);
	doc_words(d, o, "gate", k ? gate_to_string(row->verdict->gate) : NULL);
	doc_name(d, o, "link", row->link);
	doc_name(d, o, "target", row->target);
	doc_words(d, o, "reason", row->reason && *row->reason ? row->reason : NULL);
	if (!k)
		return;
	doc_words(d, o, "layout",
		  k->name.problem == NAME_FINE ? layout_to_string(k->name.layout) : NULL);
	doc_name(d, o, "build-id", k->facts.elf.build_id);
	doc_name(d, o, "note-version", k->facts.elf.note_version);
	doc_name(d, o, "package-note", k->facts.elf.package_note);
}

int verb_list(struct ctl *c)
{
	_cleanup_(pass_done) struct pass p = {0};
	_cleanup_(rows_done) struct rows rows = {0};
	_cleanup_doc_ struct doc d = {0};
	struct json_object *plugins;
	int r = ctl_look(c, &p);

	if (r >= 0)
		r = make_rows(&p, &rows);
	if (r < 0)
		return r;
	if (!ctl_has(c, CTL_JSON)) {
		r = ctl_say_remarks(&p);
		if (r >= 0)
			r = ctl_say_trouble(&p);
		return r < 0 ? r : print_rows(c, &rows);
	}
	doc_init(&d, "list");
	plugins = doc_array(&d, d.top, "entries");
	for (size_t i = 0; i < rows.n; i++)
		doc_row(&d, doc_item(&d, plugins), &rows.items[i]);
	ctl_doc_server(&d, &p);
	ctl_doc_trouble(c, &d, &p);
	return doc_print(&d);
}
