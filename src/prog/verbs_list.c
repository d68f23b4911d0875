/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list: every candidate, and every entry of the links directory that leads to none. */
#include "prog/ctl.h"

#include "core/version.h"

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

enum {
	NAME,
	VERSION,
	SHOWN_STATE,
	LINK,
	TARGET,
	REASON,
};

static const struct face columns[] = {
	[NAME] = {"name", PLACE_COLUMN, "NAME"},
	[VERSION] = {"version", PLACE_COLUMN, "VERSION"},
	[SHOWN_STATE] = {NULL, PLACE_COLUMN, "STATE"},
	[LINK] = {"link", PLACE_COLUMN, "LINK"},
	[TARGET] = {"target", PLACE_DETAIL, "TARGET"},
	[REASON] = {"reason", PLACE_DETAIL, "REASON"},
};

struct row {
	enum state state;
	const char *name; /* raw bytes, may be NULL; likewise the next two */
	const char *version;
	const char *target;
	const struct candidate *candidate;
	const struct verdict *verdict; /* of the candidate */
	const struct plan_link *link;  /* of it, or itself; or NULL */
	bool now;                      /* it is there already */
};

struct rows {
	struct row *items;
	size_t n;
};

static void rows_done(struct rows *r)
{
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
	return c ? c : str_cmp(x->link ? x->link->name : NULL, y->link ? y->link->name : NULL);
}

static struct row candidate_row(const struct pass *p, size_t i)
{
	const struct candidate *k = &p->seen.candidates[i];
	struct row row = {
		.name = k->name.problem == NAME_FINE ? k->name.name : NULL,
		.version = p->plan.verdicts[i].version,
		.target = k->path,
		.candidate = k,
		.verdict = &p->plan.verdicts[i],
	};

	row.link = ctl_link_of(p, k, &row.now);
	if (row.verdict->gate != GATE_LINKED)
		row.state = STATE_NOT_LINKED;
	else if (!row.link || !row.now || row.link->action != LINK_KEEP)
		row.state = STATE_PENDING;
	return row;
}

static struct row entry_row(const struct plan_link *l)
{
	return (struct row){
		.name = l->key,
		.target = l->seen->text,
		.link = l,
		.now = true,
		.state = l->action == LINK_FOREIGN ? STATE_FOREIGN
			 : l->seen->dangling       ? STATE_DANGLING
						   : STATE_NO_CANDIDATE,
	};
}

static bool leads_to_candidate(const struct pass *p, const struct plan_link *l)
{
	for (size_t i = 0; i < p->seen.n_candidates; i++)
		if (str_eq(l->seen->target, p->seen.candidates[i].path))
			return true;
	return false;
}

static int make_rows(const struct pass *p, struct rows *ret)
{
	ret->items = calloc(p->seen.n_candidates + p->plan.n_links + 1, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (size_t i = 0; i < p->seen.n_candidates; i++)
		ret->items[ret->n++] = candidate_row(p, i);
	for (size_t i = 0; i < p->plan.n_links; i++) {
		const struct plan_link *l = &p->plan.links[i];

		if (l->seen && (l->action == LINK_FOREIGN || !leads_to_candidate(p, l)))
			ret->items[ret->n++] = entry_row(l);
	}
	qsort(ret->items, ret->n, sizeof(*ret->items), compare_rows);
	return 0;
}

/* Linked, and nobody knows whether rightly (rule 4). */
static void word_kept(struct buf *b, const struct pass *p, const struct row *row)
{
	for (size_t i = 0; i < p->plan.n_findings; i++) {
		const struct finding *f = &p->plan.findings[i];

		if (f->code == FINDING_UNVERSIONED_KEPT && str_eq(f->other, row->target))
			buf_printf(b, "says no version; linked for %s, kept for %s", f->was_for,
				   f->is_for);
	}
}

static void word_reason(struct buf *b, const struct pass *p, const struct row *row)
{
	const struct plan_link *l = row->link;
	size_t start = b->len;

	if (!row->candidate && l->action == LINK_FOREIGN) {
		buf_add(b, l->seen->kind == LINK_OTHER ? "no symlink; not ours, left alone"
						       : "not ours, left alone");
	} else if (!row->candidate) {
		buf_add(b, l->seen->dangling ? "leads nowhere" : "leads to what is no candidate");
	} else if (row->state == STATE_PENDING) {
		buf_add(b, l ? "a pass makes its link" : "its link cannot be made");
		if (l && l->seen)
			buf_printf(b, " (which leads to %s now)", l->seen->text);
	} else if (row->state == STATE_NOT_LINKED) {
		word_verdict(b, &p->config, &p->seen, row->candidate, row->verdict);
	} else {
		word_kept(b, p, row);
	}
	if (!l || !row->now || l->action == LINK_KEEP || l->action == LINK_FOREIGN)
		return;
	buf_add(b, b->len > start ? "; " : "");
	word_future(b, l->action, "its link");
}

/* What nobody need do anything about is not painted as bad: it is meant so, or another file of the
 * plugin serves. */
static bool is_quiet(const struct rows *rows, const struct row *row)
{
	if (row->state != STATE_NOT_LINKED)
		return false;
	if (row->verdict->gate == GATE_DISABLED)
		return true;
	for (size_t i = 0; i < rows->n; i++)
		if (rows->items[i].state == STATE_LINKED && row->name &&
		    str_eq(rows->items[i].candidate->name.key, row->candidate->name.key))
			return true;
	return false;
}

static void doc_row(struct doc *d, const struct pass *p, const struct rows *rows,
		    const struct row *row)
{
	const struct candidate *k = row->candidate;
	const char *gate = k ? gate_to_string(row->verdict->gate) : NULL;

	doc_object(d, "");
	doc_put(d, &columns[NAME], row->name);
	doc_put(d, &columns[VERSION], row->version);
	doc_name(d, "state", states[row->state]);
	doc_name(d, "gate", gate);
	doc_put(d, &columns[SHOWN_STATE],
		row->state == STATE_NOT_LINKED ? gate : states[row->state]);
	doc_colour(d, is_quiet(rows, row) ? COLOUR_DIM : colours[row->state]);
	doc_put(d, &columns[LINK], row->link ? row->link->name : NULL);
	doc_put(d, &columns[TARGET], row->target);
	word_reason(doc_add(d, &columns[REASON]), p, row);
	if (k) {
		doc_name(d, "layout",
			 k->name.problem == NAME_FINE ? layout_to_string(k->name.layout) : NULL);
		doc_name(d, "build-id", k->facts.elf.build_id);
		doc_name(d, "note-version", k->facts.elf.note_version);
		doc_name(d, "package-note", k->facts.elf.package_note);
	}
	doc_end(d);
}

int verb_list(struct ctl *c)
{
	_cleanup_(pass_done) struct pass p = {0};
	_cleanup_(rows_done) struct rows rows = {0};
	_cleanup_doc_ struct doc d = {0};
	int r = ctl_look(c, &p);

	if (r >= 0)
		r = make_rows(&p, &rows);
	if (r >= 0 && !ctl_has(c, CTL_JSON))
		r = ctl_say(&p, CTL_SAY_REMARKS | CTL_SAY_TROUBLE);
	if (r < 0)
		return r;
	ctl_doc_init(&d, c);
	doc_table(&d, "entries", columns, ELEMENTSOF(columns));
	for (size_t i = 0; i < rows.n; i++)
		doc_row(&d, &p, &rows, &rows.items[i]);
	doc_end(&d);
	d.hidden = true;
	ctl_doc_server(&d, &p);
	ctl_doc_trouble(&d, &p);
	return doc_show(&d, &c->output);
}
