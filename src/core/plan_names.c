/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/planner.h"

#include "base/str.h"

size_t planner_first_remembered(const struct planner *pl, const char *key)
{
	const struct remembered_names *r = &pl->s->names;

	return str_lower_bound(r->items, r->n, sizeof(*r->items), offsetof(struct remembered, key),
			       key);
}

const struct remembered *planner_remembered(const struct planner *pl, const char *key,
					    const char *link)
{
	return remembered_names_find(&pl->s->names, key, link);
}

/* Number i of the group's links. */
static bool was_chosen(const struct planner *pl, const struct group *g, size_t i)
{
	return pl->entries[pl->link_order[g->first_link + i]].chosen;
}

static bool group_has_link(const struct planner *pl, const struct group *g, const char *name)
{
	for (size_t i = 0; i < g->n_links; i++)
		if (strcmp(planner_link(pl, g->first_link + i)->name, name) == 0)
			return true;
	return false;
}

/* Takes `name` over, also on failure. */
static int add_wish(const struct planner *pl, struct group *g, char *name, bool chosen)
{
	struct wish *grown = NULL;

	for (size_t i = 0; name && i < g->n_wishes; i++)
		if (strcmp(g->wishes[i].name, name) == 0) {
			free(name);
			return 0;
		}
	if (name)
		grown = reallocarray(g->wishes, g->n_wishes + 1, sizeof(*grown));
	if (!grown) {
		free(name);
		return -ENOMEM;
	}
	g->wishes = grown;
	grown[g->n_wishes++] = (struct wish){
		.name = name,
		.has = group_has_link(pl, g, name),
		.chosen = chosen,
	};
	return 0;
}

/* Rules 7c and 7d. An expansion that is no usable name (too long) falls back to the layout's. */
static int computed_name(const struct planner *pl, const struct group *g, char **ret)
{
	int r = -EINVAL;

	if (pl->c->link_name)
		r = name_expand_template(pl->c->link_name, g->winner->name.name, ret);
	return r == -EINVAL ? name_default_link(&g->winner->name, g->winner->file, ret) : r;
}

/* Is it a name that some layout gives this plugin, so not one made by a LinkName= of the past?
 * Without the prefix only layout C gives it, and the file of that name is there. */
static int is_layouts_name(const struct planner *pl, const struct group *g, const char *link)
{
	struct name n = {0};
	int r = name_parse(NULL, link, &n);
	bool same = r > 0 && n.problem == NAME_FINE && strcmp(n.key, g->key) == 0;

	if (same && str_eq(str_after(link, n.name), ".so")) {
		same = false;
		for (size_t i = 0; i < g->n; i++)
			if (str_eq(planner_candidate(pl, g->first + i)->file, link))
				same = true;
	}
	name_done(&n);
	return r < 0 ? r : same;
}

/* The one name we choose: a name chosen before stays while LinkName= says nothing else, so that a
 * plugin that moves from one layout to another keeps what scripts import. */
static int wish_chosen(const struct planner *pl, struct group *g)
{
	char *name = NULL;
	int r;

	for (size_t i = 0; !pl->c->link_name && i < g->n_links; i++) {
		const char *now = planner_link(pl, g->first_link + i)->name;

		r = was_chosen(pl, g, i) ? is_layouts_name(pl, g, now) : 0;
		if (r < 0)
			return r;
		if (r > 0)
			return add_wish(pl, g, strdup(now), true);
	}
	r = computed_name(pl, g, &name);
	return r < 0 ? r : add_wish(pl, g, name, true);
}

/* Rule 7b, for links that are there: every name we did not choose ourselves stays, two of them too.
 */
static int wish_found(const struct planner *pl, struct group *g)
{
	for (size_t i = 0; i < g->n_links; i++) {
		const char *name = planner_link(pl, g->first_link + i)->name;
		int r = was_chosen(pl, g, i) ? 0 : add_wish(pl, g, strdup(name), false);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Rule 7b, for links that are gone: the first remembered name comes back. Beside a link that we
 * named ourselves (by a LinkName= that was taken away) only one that we removed does. */
static int wish_remembered(const struct planner *pl, struct group *g)
{
	if (pl->s->names.n > 0)
		FOREACH_REMEMBERED(m, pl, g->key)
	if (!(m->flags & REMEMBERED_CHOSEN) && (g->n_links == 0 || (m->flags & REMEMBERED_PARKED)))
		return add_wish(pl, g, strdup(m->link), false);
	return 0;
}

/* The plugin's own LinkName=. It may say what the administrator's link is called already. */
static int wish_said(const struct planner *pl, struct group *g, char *name)
{
	const struct remembered *m = planner_remembered(pl, g->key, name);
	bool chosen = !m || (m->flags & REMEMBERED_CHOSEN);

	for (size_t i = 0; i < g->n_links; i++)
		if (strcmp(planner_link(pl, g->first_link + i)->name, name) == 0)
			chosen = was_chosen(pl, g, i);
	return add_wish(pl, g, name, chosen);
}

/* Is one of its links called as we chose? Not one that a pass which was cut off was to remove. */
static bool has_chosen(const struct planner *pl, const struct group *g)
{
	for (size_t i = 0; i < g->n_links; i++) {
		const struct remembered *m =
			planner_remembered(pl, g->key, planner_link(pl, g->first_link + i)->name);

		if (was_chosen(pl, g, i) && !(m && (m->flags & REMEMBERED_PARKED)))
			return true;
	}
	return false;
}

static int wish(const struct planner *pl, struct group *g)
{
	const struct config_plugin *said = config_find_plugin(pl->c, g->key);
	size_t found;
	int r;

	if (said && said->link_name) {
		char *name = NULL;

		r = name_expand_template(said->link_name, g->winner->name.name, &name);
		if (r != -EINVAL)
			return r < 0 ? r : wish_said(pl, g, name);
	}
	r = wish_found(pl, g);
	found = g->n_wishes;
	if (r >= 0 && found == 0)
		r = wish_remembered(pl, g);
	if (r >= 0 && (g->n_wishes == 0 || (found > 0 && has_chosen(pl, g))))
		r = wish_chosen(pl, g);
	return r;
}

/* Does the link lead to a file of the plugin that may stay linked? */
static bool is_right(const struct planner *pl, const struct group *g, const struct link *l)
{
	const struct candidate *k = planner_leads_to(pl, g, l);
	enum gate gate = k ? planner_verdict(pl, k)->gate : GATE_MAX;

	return k && (gate == GATE_LINKED || gate == GATE_SHADOWED || planner_is_transient(pl, k));
}

/* A plugin that waits keeps every right link it has, and gets no other. */
static int wish_right(const struct planner *pl, struct group *g)
{
	for (size_t i = 0; i < g->n_links; i++) {
		const struct link *l = planner_link(pl, g->first_link + i);
		int r = 0;

		if (is_right(pl, g, l))
			r = add_wish(pl, g, strdup(l->name), was_chosen(pl, g, i));
		if (r < 0)
			return r;
	}
	return 0;
}

/* One wish in the list that settles who gets a name. */
struct claim {
	struct wish *wish;
	const struct group *group;
};

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int c = strcmp(x->wish->name, y->wish->name);

	if (c)
		return c;
	if (x->wish->has != y->wish->has)
		return x->wish->has ? -1 : 1;
	return strcmp(x->group->key, y->group->key);
}

static void lose(const struct planner *pl, const struct claim *loser, enum gate gate,
		 const char *rival)
{
	struct verdict *v = planner_verdict(pl, loser->group->winner);

	loser->wish->lost = true;
	for (size_t i = 0; i < loser->group->n_wishes; i++)
		if (!loser->group->wishes[i].lost)
			return; /* it still has another link */
	v->gate = gate;
	v->rival = rival;
	v->wanted = loser->wish->name;
}

static void settle_claims(const struct planner *pl, struct claim *claims, size_t n)
{
	qsort(claims, n, sizeof(*claims), compare_claims);
	for (size_t i = 0; i < n; i++) {
		const struct link *there = snapshot_find_link(pl->s, claims[i].wish->name);

		if (there && !pl->entries[there - pl->s->links.items].ours) {
			lose(pl, &claims[i], GATE_FOREIGN_IN_THE_WAY, there->name);
		} else if (i > 0 && strcmp(claims[i - 1].wish->name, claims[i].wish->name) == 0) {
			lose(pl, &claims[i], GATE_NAME_TAKEN, claims[i - 1].group->key);
			claims[i].group = claims[i - 1].group; /* a third loses to the same one */
		} else if (there) {
			pl->entries[there - pl->s->links.items].group =
				(size_t)(claims[i].group - pl->groups);
		}
	}
}

int planner_name_groups(struct planner *pl)
{
	_cleanup_free_ struct claim *claims = NULL;
	size_t n = 0;

	for (size_t i = 0; i < pl->n_groups; i++) {
		struct group *g = &pl->groups[i];
		int r = planner_find_chosen(pl, g);

		if (r >= 0 && g->winner)
			r = g->waiting ? wish_right(pl, g) : wish(pl, g);
		if (r < 0)
			return r;
		n += g->n_wishes;
	}
	if (n == 0)
		return 0;
	claims = calloc(n, sizeof(*claims));
	if (!claims)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < pl->n_groups; i++)
		for (size_t j = 0; j < pl->groups[i].n_wishes; j++)
			claims[n++] = (struct claim){&pl->groups[i].wishes[j], &pl->groups[i]};
	settle_claims(pl, claims, n);
	return 0;
}

bool planner_has_after(const struct planner *pl, const struct group *g, const struct wish *w)
{
	if (w->lost || w->has || !pl->p->not_known)
		return !w->lost;
	return g->n_links == 0 && !snapshot_find_link(pl->s, w->name);
}

static bool is_wished(const struct group *g, const char *name)
{
	for (size_t i = 0; i < g->n_wishes; i++)
		if (strcmp(g->wishes[i].name, name) == 0)
			return true;
	return false;
}

static int remember(struct planner *pl, const struct group *g, const char *link,
		    enum remembered_flags flags)
{
	struct remembered m = {
		.key = (char *)(uintptr_t)g->key,
		.link = (char *)(uintptr_t)link,
		.flags = flags,
		.file = (char *)(uintptr_t)g->file,
		.file_for = (char *)(uintptr_t)g->file_for,
	};

	return remembered_names_add(&pl->p->names, &m);
}

/* Links that are there: those that stay are remembered as what they are, those that go only if the
 * name was not our choice and no other link of the plugin stays instead. */
static int remember_links(struct planner *pl, const struct group *g, bool park)
{
	for (size_t i = 0; i < g->n_links; i++) {
		const struct link *l = planner_link(pl, g->first_link + i);
		bool chosen = was_chosen(pl, g, i);
		bool stays = pl->p->not_known && !planner_is_untrusted(pl, g, l);
		int r;

		if (is_wished(g, l->name) ||
		    (!stays && (!park || (chosen && (g->n == 0 || g->n_wishes > 0)))))
			continue;
		r = remember(pl, g, l->name,
			     (chosen ? REMEMBERED_CHOSEN : 0U) | (stays ? 0U : REMEMBERED_PARKED));
		if (r < 0)
			return r;
	}
	return 0;
}

static int remember_group(struct planner *pl, const struct group *g)
{
	const struct config_plugin *said = config_find_plugin(pl->c, g->key);
	bool park = g->n_wishes == 0 || (said && said->link_name);
	int r = remember_links(pl, g, park);

	for (size_t i = 0; r >= 0 && i < g->n_wishes; i++) {
		const struct wish *w = &g->wishes[i];

		if (planner_has_after(pl, g, w))
			r = remember(pl, g, w->name, w->chosen ? REMEMBERED_CHOSEN : 0);
		else if (!w->chosen)
			r = remember(pl, g, w->name, REMEMBERED_PARKED);
	}
	if (r < 0 || pl->s->names.n == 0)
		return r;
	/* Names of links that are gone: kept until the plugin has a link again; a name of our own
	 * choice only while there are files of it, so that a plugin without a link stays missed. */
	FOREACH_REMEMBERED(m, pl, g->key)
	{
		bool chosen = m->flags & REMEMBERED_CHOSEN, parked = m->flags & REMEMBERED_PARKED;

		if (!park || group_has_link(pl, g, m->link) || is_wished(g, m->link) ||
		    (chosen && (!parked || g->n == 0 || g->n_wishes > 0)))
			continue;
		if (g->n_links == 0 || parked)
			r = remember(pl, g, m->link,
				     (chosen ? REMEMBERED_CHOSEN : 0U) | REMEMBERED_PARKED);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool same_names(const struct remembered_names *a, const struct remembered_names *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
		    strcmp(a->items[i].link, b->items[i].link) != 0 ||
		    a->items[i].flags != b->items[i].flags ||
		    !str_eq(a->items[i].file, b->items[i].file) ||
		    !str_eq(a->items[i].file_for, b->items[i].file_for))
			return false;
	return true;
}

/* Rule 17: the names of links that go are parked; nothing else is learnt or forgotten. */
static int remember_held(struct planner *pl)
{
	for (size_t i = 0; i < pl->s->links.n; i++) {
		const struct group *g = planner_find_group(pl, pl->entries[i].key);
		const char *name = pl->s->links.items[i].name;
		enum remembered_flags flags = REMEMBERED_PARKED;
		int r;

		if (!g || !planner_goes_while_held(pl, i))
			continue;
		if (pl->entries[i].chosen)
			flags |= REMEMBERED_CHOSEN;
		r = remember(pl, g, name, flags);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < pl->s->names.n; i++) {
		const struct remembered *m = &pl->s->names.items[i];
		const struct link *l = snapshot_find_link(pl->s, m->link);
		size_t at = l ? (size_t)(l - pl->s->links.items) : 0;
		int r;

		if (l && str_eq(pl->entries[at].key, m->key) && planner_goes_while_held(pl, at))
			continue;
		r = remembered_names_add(&pl->p->names, m);
		if (r < 0)
			return r;
	}
	return 0;
}

static int remember_all(struct planner *pl)
{
	bool untouched = pl->p->directory == PLAN_DIRECTORY_REFUSED ||
			 pl->p->directory == PLAN_DIRECTORY_LEFT ||
			 pl->p->directory == PLAN_DIRECTORY_NO_PARENT;

	for (size_t i = 0, g = 0; i < pl->s->names.n; i++) {
		const struct remembered *m = &pl->s->names.items[i];
		int c = -1, r;

		/* Both lists are sorted: plugins that the snapshot says nothing of stay as they
		 * are. */
		while (g < pl->n_groups && (c = strcmp(pl->groups[g].key, m->key)) < 0)
			g++;
		if (g < pl->n_groups && c == 0 && !untouched)
			continue;
		r = remembered_names_add(&pl->p->names, m);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < pl->n_groups && !untouched; i++) {
		int r = remember_group(pl, &pl->groups[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int planner_remember(struct planner *pl)
{
	int r = pl->s->held ? remember_held(pl) : remember_all(pl);

	pl->p->names.error = pl->s->names.error;
	pl->p->names_changed = !pl->s->names.error && pl->p->directory != PLAN_DIRECTORY_LEFT &&
			       !same_names(&pl->s->names, &pl->p->names);
	pl->p->names_first = pl->p->names_changed && planner_needs_names_first(pl);
	return r;
}
