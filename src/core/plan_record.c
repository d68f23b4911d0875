/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names beside the record of them: who chose one that is not on it, and what has to be on it before
 * links are changed. */
#include "base/str.h"
#include "core/planner.h"

/* Is it the name that its layout gives the file that it leads to? 1, 0, -ENOMEM. */
static int is_layouts_own(const struct group *g, const struct link *l)
{
	const struct candidate *k = planner_leads_to(g, l);
	const char *file = strrchr(l->target, '/') + 1;
	struct name n = {0};
	int r = k ? name_is_default_link(&k->name, file, l->name) : name_parse(NULL, file, &n);

	if (r > 0 && !k)
		r = n.problem == NAME_FINE && name_is_default_link(&n, file, l->name);
	name_done(&n);
	return r;
}

int planner_find_chosen(const struct planner *pl, const struct group *g)
{
	for (size_t i = 0; i < g->n_links; i++) {
		const struct link *l = g->links[i];
		const struct remembered *m = planner_remembered(g, l->name);
		int r = m                         ? (m->flags & REMEMBERED_CHOSEN) != 0
			: pl->s->names.error != 0 ? 0
						  : is_layouts_own(g, l);

		if (r < 0)
			return r;
		planner_entry(pl, l)->chosen = r > 0;
	}
	return 0;
}

bool planner_needs_names_first(const struct planner *pl)
{
	const struct plan *p = pl->p;

	for (size_t i = 0; i < p->n_links; i++)
		if (p->links[i].action == LINK_REMOVE || p->links[i].named)
			return true;
	for (size_t i = 0; i < p->names.n; i++) {
		const struct remembered *m = &p->names.items[i], *was;

		was = m->file ? remembered_names_find(&pl->s->names, m->key, m->link) : NULL;
		if (m->file &&
		    (!was || !str_eq(was->file, m->file) || !str_eq(was->file_for, m->file_for)))
			return true;
	}
	return false;
}

int plan_names_first(const struct plan *p, const struct snapshot *s, struct remembered_names *ret)
{
	struct remembered_names n = {0};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->names.n; i++) {
		struct remembered m = p->names.items[i];
		const struct remembered *was = remembered_names_find(&s->names, m.key, m.link);

		if (!snapshot_find_link(s, m.link))
			m.flags |= was ? was->flags & REMEMBERED_PARKED : REMEMBERED_PARKED;
		r = remembered_names_add(&n, &m);
	}
	for (size_t i = 0; r >= 0 && i < s->names.n; i++) {
		struct remembered m = s->names.items[i];

		if (!snapshot_find_link(s, m.link) ||
		    remembered_names_find(&p->names, m.key, m.link))
			continue;
		m.flags |= REMEMBERED_PARKED;
		r = remembered_names_add(&n, &m);
	}
	if (r < 0)
		remembered_names_done(&n);
	else
		*ret = n;
	return r;
}
