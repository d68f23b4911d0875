/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sort.h"
#include "base/str.h"
#include "core/planner.h"

const struct remembered *planner_remembered(const struct group *g, const char *link)
{
	for (size_t i = 0; i < g->n_names; i++)
		if (strcmp(g->names[i].link, link) == 0)
			return &g->names[i];
	return NULL;
}

static bool was_chosen(const struct planner *pl, const struct link *l)
{
	return planner_entry(pl, l)->chosen;
}

static const struct link *link_of(const struct group *g, const char *name)
{
	for (size_t i = 0; i < g->n_links; i++)
		if (str_eq(g->links[i]->name, name))
			return g->links[i];
	return NULL;
}

static const struct wish *wish_of(const struct group *g, const char *name)
{
	for (size_t i = 0; i < g->n_wishes; i++)
		if (str_eq(g->wishes[i].name, name))
			return &g->wishes[i];
	return NULL;
}

bool planner_has_wish(const struct group *g)
{
	for (size_t i = 0; i < g->n_wishes; i++)
		if (!g->wishes[i].lost)
			return true;
	return false;
}

/* ---- wishes: one for each link of the plugin at most, or one ---- */

static void add_wish(struct group *g, const char *name, bool chosen)
{
	const struct link *has = link_of(g, name);
	const struct remembered *m = planner_remembered(g, name);

	if (!wish_of(g, name))
		g->wishes[g->n_wishes++] = (struct wish){
			.name = m ? m->link : name, /* known by its address again */
			.has = has,
			.there = has,
			.chosen = chosen,
		};
}

/* A template's name for the plugin, in the plan's memory. 0, -EINVAL, -ENOMEM. */
static int expand(const struct planner *pl, const struct group *g, const char *template,
		  const char **ret)
{
	_cleanup_free_ char *name = NULL;
	int r = name_expand_template(template, g->winner->name.name, &name);

	if (r < 0)
		return r;
	*ret = pool_copy(&pl->p->memory, name);
	return *ret ? 0 : -ENOMEM;
}

/* Rules 7c and 7d. An expansion that is no usable name (too long) falls back to the layout's. */
static int computed_name(const struct planner *pl, const struct group *g, const char **ret)
{
	int r = pl->c->link_name ? expand(pl, g, pl->c->link_name, ret) : -EINVAL;

	if (r != -EINVAL)
		return r;
	*ret = name_default_link(&g->winner->name, g->winner->file, &pl->p->memory);
	return *ret ? 0 : -ENOMEM;
}

/* Is it a name that some layout gives this plugin, so not one made by a LinkName= of the past?
 * Without the prefix only layout C gives it, and the file of that name is there. */
static bool is_layouts_name(const struct group *g, const char *link)
{
	if (!name_names(link, g->key))
		return false;
	if (strlen(link) != strlen(g->key) + strlen(".so"))
		return true;
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->files[i]->file, link) == 0)
			return true;
	return false;
}

/* The one name we choose: a name chosen before stays while LinkName= says nothing else, so that a
 * plugin that moves from one layout to another keeps what scripts import. */
static int wish_chosen(const struct planner *pl, struct group *g)
{
	const char *name = NULL;
	int r = 0;

	for (size_t i = 0; !name && !pl->c->link_name && i < g->n_links; i++)
		if (was_chosen(pl, g->links[i]) && is_layouts_name(g, g->links[i]->name))
			name = g->links[i]->name;
	if (!name)
		r = computed_name(pl, g, &name);
	if (r >= 0)
		add_wish(g, name, true);
	return r;
}

/* Rule 7b, for links that are gone: the first remembered name comes back. Beside a link that we
 * named ourselves (by a LinkName= that was taken away) only one that we removed does. */
static void wish_remembered(struct group *g)
{
	for (size_t i = 0; g->n_wishes == 0 && i < g->n_names; i++) {
		const struct remembered *m = &g->names[i];

		if (!(m->flags & REMEMBERED_CHOSEN) &&
		    (g->n_links == 0 || (m->flags & REMEMBERED_PARKED)))
			add_wish(g, m->link, false);
	}
}

/* The plugin's own LinkName=. It may say what the administrator's link is called already. */
static void wish_said(const struct planner *pl, struct group *g, const char *name)
{
	const struct remembered *m = planner_remembered(g, name);
	const struct link *has = link_of(g, name);

	add_wish(g, name, has ? was_chosen(pl, has) : !m || (m->flags & REMEMBERED_CHOSEN));
}

/* Is one of its links called as we chose? Not one that a pass which was cut off was to remove. */
static bool has_chosen(const struct planner *pl, const struct group *g)
{
	for (size_t i = 0; i < g->n_links; i++) {
		const struct remembered *m = planner_remembered(g, g->links[i]->name);

		if (was_chosen(pl, g->links[i]) && !(m && (m->flags & REMEMBERED_PARKED)))
			return true;
	}
	return false;
}

static int wish(const struct planner *pl, struct group *g)
{
	const struct config_plugin *said = config_find_plugin(pl->c, g->key);
	size_t found;

	if (said && said->link_name) {
		const char *name = NULL;
		int r = expand(pl, g, said->link_name, &name);

		if (r >= 0)
			wish_said(pl, g, name);
		if (r != -EINVAL)
			return r;
	}
	/* Rule 7b, for links that are there: every name we did not choose ourselves stays, two of
	 * them too. */
	for (size_t i = 0; i < g->n_links; i++)
		if (!was_chosen(pl, g->links[i]))
			add_wish(g, g->links[i]->name, false);
	found = g->n_wishes;
	if (found == 0)
		wish_remembered(g);
	if (g->n_wishes == 0 || (found > 0 && has_chosen(pl, g)))
		return wish_chosen(pl, g);
	return 0;
}

/* A plugin that waits keeps every link to a file of it that may stay linked, and gets no other. */
static int wish_right(const struct planner *pl, struct group *g)
{
	for (size_t i = 0; i < g->n_links; i++) {
		const struct candidate *k = planner_leads_to(g, g->links[i]);
		enum gate gate = k ? planner_verdict(pl, k)->gate : GATE_MAX;

		if (k &&
		    (gate == GATE_LINKED || gate == GATE_SHADOWED || planner_is_transient(pl, k)))
			add_wish(g, g->links[i]->name, was_chosen(pl, g->links[i]));
	}
	return 0;
}

static int make_wishes(struct planner *pl, struct group *g)
{
	int r = planner_find_chosen(pl, g);

	if (r < 0 || !g->winner)
		return r;
	g->wishes = pool_room(&pl->p->memory, MAX(g->n_links, 1U), sizeof(*g->wishes));
	if (!g->wishes)
		return -ENOMEM;
	r = g->waiting ? wish_right(pl, g) : wish(pl, g);
	for (size_t i = 0; i < g->n_wishes; i++)
		if (g->wishes[i].has)
			planner_entry(pl, g->wishes[i].has)->to = g;
		else
			pl->n_claims++;
	return r;
}

/* ---- who gets which name ---- */

static int compare_claims(const void *a, const void *b, void *userdata _unused_)
{
	const struct claim *x = a, *y = b;
	int c = strcmp(x->wish->name, y->wish->name);

	return c ? c : strcmp(x->group->key, y->group->key);
}

static void lose(const struct planner *pl, const struct claim *loser, enum gate gate,
		 const char *rival)
{
	struct verdict *v = planner_verdict(pl, loser->group->winner);

	loser->wish->lost = true;
	if (planner_has_wish(loser->group)) /* it still has another link */
		return;
	v->gate = gate;
	v->rival = rival;
	v->wanted = loser->wish->name;
}

/* Who has a name keeps it; else it is the first one's. */
static void settle_claim(const struct planner *pl, struct claim *c, const struct claim *before)
{
	const struct link *there = snapshot_find_link(pl->s, c->wish->name);
	const struct group *owner = there ? planner_entry(pl, there)->to : NULL;

	c->wish->there = there;
	if (!owner && before && strcmp(before->wish->name, c->wish->name) == 0)
		owner = before->owner;
	c->owner = owner ? owner : c->group;
	if (there && !there->ours)
		lose(pl, c, GATE_FOREIGN_IN_THE_WAY, there->name);
	else if (owner)
		lose(pl, c, GATE_NAME_TAKEN, owner->key);
	else if (there)
		planner_entry(pl, there)->to = c->group;
}

static int settle_claims(struct planner *pl)
{
	size_t n = 0;

	pl->claims = pool_room(&pl->p->memory, pl->n_claims, sizeof(*pl->claims));
	if (!pl->claims)
		return -ENOMEM;
	for (struct group *g = pl->groups; n < pl->n_claims; g++)
		for (size_t i = 0; i < g->n_wishes; i++)
			if (!g->wishes[i].has)
				pl->claims[n++] = (struct claim){.wish = &g->wishes[i], .group = g};
	sort_nearly(pl->claims, n, sizeof(*pl->claims), compare_claims, NULL);
	for (size_t i = 0; i < n; i++)
		settle_claim(pl, &pl->claims[i], i > 0 ? &pl->claims[i - 1] : NULL);
	return 0;
}

/* ---- what is remembered ---- */

bool planner_has_after(const struct planner *pl, const struct group *g, const struct wish *w)
{
	if (w->lost || w->has || !pl->p->not_known)
		return !w->lost;
	return g->n_links == 0 && !w->there;
}

/* Rule 4: for which server a file that says no version was first linked. What the plugin had is
 * kept while it has no link, and while a package manager is at work or something is not known. */
static void date_file(const struct planner *pl, struct group *g)
{
	const struct candidate *k = g->winner;

	for (size_t i = 0; i < g->n_names && !g->file; i++) {
		g->file = g->names[i].file;
		g->file_for = g->names[i].file_for;
	}
	if (!k || g->waiting || !planner_has_wish(g) || pl->s->held || pl->p->not_known)
		return;
	if (gate_version(pl->c, k) || !k->facts.identity) {
		g->file = g->file_for = NULL;
	} else if (!str_eq(g->file, k->facts.identity)) {
		g->file = k->facts.identity;
		g->file_for = pl->s->server.version;
	}
}

/* To its place: the keys come in order. */
static void put_name(struct remembered_names *names, const struct remembered *m)
{
	size_t at = names->n++;

	for (; at > 0 && names->items[at - 1].key == m->key &&
	       strcmp(names->items[at - 1].link, m->link) > 0;
	     at--)
		names->items[at] = names->items[at - 1];
	names->items[at] = *m;
}

static void remember(const struct planner *pl, const struct group *g, const char *link,
		     enum remembered_flags flags)
{
	put_name(&pl->p->names, &(struct remembered){
					.key = g->key,
					.link = link,
					.flags = flags,
					.file = g->file,
					.file_for = g->file_for,
				});
}

/* Links that are there: those that stay are remembered as what they are, those that go only if the
 * name was not our choice and no other link of the plugin stays instead. */
static void remember_links(const struct planner *pl, const struct group *g, bool park)
{
	for (size_t i = 0; i < g->n_links; i++) {
		const struct link *l = g->links[i];
		bool chosen, stays, wished = false;

		for (const struct wish *w = g->wishes; !wished && w < g->wishes + g->n_wishes; w++)
			wished = w->has == l;
		if (wished)
			continue;
		chosen = was_chosen(pl, l);
		stays = pl->p->not_known && !planner_is_untrusted(pl, g, l);
		if (!stays && (!park || (chosen && (g->n == 0 || g->n_wishes > 0))))
			continue;
		remember(pl, g, l->name,
			 (chosen ? REMEMBERED_CHOSEN : 0U) | (stays ? 0U : REMEMBERED_PARKED));
	}
}

static void remember_group(const struct planner *pl, const struct group *g)
{
	const struct config_plugin *said = config_find_plugin(pl->c, g->key);
	bool park = g->n_wishes == 0 || (said && said->link_name);

	remember_links(pl, g, park);
	for (size_t i = 0; i < g->n_wishes; i++) {
		const struct wish *w = &g->wishes[i];

		if (planner_has_after(pl, g, w))
			remember(pl, g, w->name, w->chosen ? REMEMBERED_CHOSEN : 0);
		else if (!w->chosen)
			remember(pl, g, w->name, REMEMBERED_PARKED);
	}
	/* Names of links that are gone: kept until the plugin has a link again; a name of our own
	 * choice only while there are files of it, so that a plugin without a link stays missed. */
	for (size_t i = 0; park && i < g->n_names; i++) {
		const struct remembered *m = &g->names[i];
		bool chosen = m->flags & REMEMBERED_CHOSEN, parked = m->flags & REMEMBERED_PARKED;

		if (!link_of(g, m->link) && !wish_of(g, m->link) &&
		    (!chosen || (parked && g->n > 0 && g->n_wishes == 0)) &&
		    (g->n_links == 0 || parked))
			remember(pl, g, m->link,
				 (chosen ? REMEMBERED_CHOSEN : 0U) | REMEMBERED_PARKED);
	}
}

/* Rule 17: the names of links that go are parked; nothing else is learnt or forgotten. */
static void remember_held(const struct planner *pl, const struct group *g)
{
	for (size_t i = 0; i < g->n_links; i++)
		if (planner_goes_while_held(pl, g->links[i]))
			remember(pl, g, g->links[i]->name,
				 REMEMBERED_PARKED |
					 (was_chosen(pl, g->links[i]) ? REMEMBERED_CHOSEN : 0U));
	for (size_t i = 0; i < g->n_names; i++) {
		const struct link *l = link_of(g, g->names[i].link);
		struct remembered m = g->names[i];

		m.key = g->key;
		if (!l || !planner_goes_while_held(pl, l))
			put_name(&pl->p->names, &m);
	}
}

static bool same_names(const struct remembered_names *a, const struct remembered_names *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++) {
		const struct remembered *x = &a->items[i], *y = &b->items[i];

		same = str_eq(x->key, y->key) && str_eq(x->link, y->link) && x->flags == y->flags &&
		       str_eq(x->file, y->file) && str_eq(x->file_for, y->file_for);
	}
	return same;
}

static int make_names(struct planner *pl)
{
	struct plan *p = pl->p;
	size_t most = pl->s->names.n + pl->s->links.n + pl->n_claims;

	p->names = (struct remembered_names){.error = pl->s->names.error};
	if (p->directory == PLAN_DIRECTORY_REFUSED || p->directory == PLAN_DIRECTORY_LEFT ||
	    p->directory == PLAN_DIRECTORY_NO_PARENT) {
		p->names.items = pl->s->names.items;
		p->names.n = pl->s->names.n;
		return 0;
	}
	p->names.items = pool_room(&p->memory, most, sizeof(*p->names.items));
	if (!p->names.items)
		return -ENOMEM;
	for (size_t i = 0; i < pl->n_groups; i++)
		if (pl->s->held)
			remember_held(pl, &pl->groups[i]);
		else
			remember_group(pl, &pl->groups[i]);
	pool_keep(&p->memory, p->names.items, p->names.n, sizeof(*p->names.items));
	p->names_changed = !pl->s->names.error && !same_names(&pl->s->names, &p->names);
	return 0;
}

int planner_names(struct planner *pl)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < pl->n_groups; i++)
		r = make_wishes(pl, &pl->groups[i]);
	if (r >= 0)
		r = settle_claims(pl);
	for (size_t i = 0; r >= 0 && i < pl->n_groups; i++)
		date_file(pl, &pl->groups[i]);
	return r < 0 ? r : make_names(pl);
}
