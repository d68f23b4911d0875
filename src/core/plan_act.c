/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/planner.h"

#include "base/str.h"
#include "core/version.h"

static int add_action(struct planner *pl, const char *name, const char *key,
		      const struct plan_link *made)
{
	struct plan *p = pl->p;
	struct plan_link *at = &p->links[p->n_links];

	*at = *made;
	at->name = strdup(name);
	at->key = key ? strdup(key) : NULL;
	p->n_links++;
	return !at->name || (key && !at->key) ? -ENOMEM : 0;
}

const struct group *planner_find_group(const struct planner *pl, const char *key)
{
	size_t low = 0, high = pl->n_groups;

	while (key && low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(pl->groups[mid].key, key);

		if (c == 0)
			return &pl->groups[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool wish_kept(const struct group *g)
{
	for (size_t i = 0; i < g->n_wishes; i++)
		if (!g->wishes[i].lost)
			return true;
	return false;
}

/* Why a plugin has no link: the verdict that came closest to one, of its candidate that is
 * preferred. */
static const struct verdict *best_reason(const struct planner *pl, const struct group *g)
{
	const struct verdict *best = NULL;

	for (size_t i = 0; i < g->n; i++) {
		const struct verdict *v = planner_verdict(pl, planner_candidate(pl, g->first + i));

		if (!best || v->gate > best->gate)
			best = v;
	}
	return best;
}

static int act_on_entry(struct planner *pl, size_t i)
{
	const struct link *l = &pl->s->links.items[i];
	const struct entry *e = &pl->entries[i];
	const struct group *to = e->group == SIZE_MAX ? NULL : &pl->groups[e->group];
	const struct group *own = planner_find_group(pl, e->key);
	struct plan_link a = {.seen = l};
	const char *key = to ? to->key : e->key;

	if (!e->ours) {
		a.action = LINK_FOREIGN;
		return add_action(pl, l->name, NULL, &a);
	}
	if (to) {
		a.candidate = to->waiting ? planner_leads_to(pl, to, l) : to->winner;
		a.text = a.candidate->path;
		a.action = strcmp(l->target, a.text) == 0 ? LINK_KEEP : LINK_REPLACE;
		a.named = a.action == LINK_REPLACE && own != to;
	} else {
		a.action = LINK_REMOVE;
		a.reason = own ? best_reason(pl, own) : NULL;
		a.renamed = own && wish_kept(own);
	}
	if (pl->s->held && planner_goes_while_held(pl, i)) {
		a = (struct plan_link){.action = LINK_REMOVE, .seen = l};
		a.reason = own && !own->winner ? best_reason(pl, own) : NULL;
		key = e->key;
	} else if ((pl->p->not_known || pl->s->held) && a.action != LINK_KEEP &&
		   !(a.action == LINK_REMOVE && own && !pl->s->held &&
		     planner_is_untrusted(pl, own, l))) {
		a.action = LINK_HOLD;
		key = e->key; /* it does not go to another plugin yet */
	}
	return add_action(pl, l->name, key, &a);
}

/* Links to be made. While something is not known a plugin that has a link waits with it. */
static int act_on_wishes(struct planner *pl, const struct group *g)
{
	for (size_t i = 0; i < g->n_wishes && !g->waiting; i++) {
		const struct wish *w = &g->wishes[i];
		const struct remembered *m = planner_remembered(pl, g->key, w->name);
		struct plan_link a = {
			.action = LINK_CREATE,
			.text = g->winner->path,
			.candidate = g->winner,
			.restored = m && !(m->flags & REMEMBERED_PARKED),
		};
		_cleanup_free_ char *own = NULL;
		int r;

		if (!planner_has_after(pl, g, w) || snapshot_find_link(pl->s, w->name))
			continue;
		r = name_default_link(&g->winner->name, g->winner->file, &own);
		if (r < 0)
			return r;
		a.named = w->chosen && strcmp(w->name, own) != 0;
		r = add_action(pl, w->name, g->key, &a);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_actions(const void *a, const void *b)
{
	return strcmp(((const struct plan_link *)a)->name, ((const struct plan_link *)b)->name);
}

static void add_finding(struct plan *p, enum finding_code code, const char *link, const char *other)
{
	p->findings[p->n_findings++] = (struct finding){.code = code, .link = link, .other = other};
}

/* What somebody else than root controls, gravest first. */
static void find_untrusted(struct planner *pl)
{
	const struct links_facts *links = &pl->s->links;
	struct plan *p = pl->p;

	for (size_t i = 0; i < links->n; i++)
		if (!pl->entries[i].ours && links->items[i].trust.trust != TRUST_FINE)
			p->findings[p->n_findings++] = (struct finding){
				.code = FINDING_UNTRUSTED_ENTRY,
				.link = links->items[i].name,
				.trust = links->items[i].trust,
			};
	if (links->parents.trust != TRUST_FINE)
		p->findings[p->n_findings++] = (struct finding){
			.code = FINDING_UNTRUSTED_PARENT,
			.link = pl->c->links,
			.trust = links->parents,
		};
}

/* A foreign link whose last two components read like a plugin's in a store that is not listed. */
static int looks_like_store(const struct config *c, const struct link *l)
{
	const char *slash =
		l->target && !path_below(l->target, c->links) ? strrchr(l->target, '/') : NULL;
	struct name n = {0};
	int r = slash ? name_parse(NULL, slash + 1, &n) : 0;
	bool like = r > 0 && n.problem == NAME_FINE &&
		    (n.layout == LAYOUT_A || strstr(l->target, "/vsmtp/"));

	name_done(&n);
	return r < 0 ? r : like;
}

/* Rule 4: for which server a file that says no version was first linked. What the plugin had is
 * kept while it has no link, and while a package manager is at work or something is not known. */
static void date_file(const struct planner *pl, struct group *g)
{
	const struct candidate *k = g->winner;

	if (pl->s->names.n > 0)
		FOREACH_REMEMBERED(m, pl, g->key)
	if (m->file && !g->file) {
		g->file = m->file;
		g->file_for = m->file_for;
	}
	if (!k || g->waiting || !wish_kept(g) || pl->s->held || pl->p->not_known)
		return;
	if (gate_version(pl->c, k) || !k->facts.identity) {
		g->file = g->file_for = NULL;
	} else if (!str_eq(g->file, k->facts.identity)) {
		g->file = k->facts.identity;
		g->file_for = pl->s->server.version;
	}
}

/* It is linked still, and nobody knows whether this server can live with it. */
static void find_unversioned(struct planner *pl, const struct group *g)
{
	struct plan *p = pl->p;

	if (!g->winner || !g->file || !str_eq(g->file, g->winner->facts.identity) ||
	    gate_version(pl->c, g->winner) || version_equal(g->file_for, pl->s->server.version))
		return;
	for (size_t i = 0; i < p->n_links; i++)
		if (p->links[i].candidate == g->winner) {
			p->findings[p->n_findings++] = (struct finding){
				.code = FINDING_UNVERSIONED_KEPT,
				.link = p->links[i].name,
				.other = g->winner->path,
				.name = g->winner->name.name,
				.was_for = g->file_for,
				.is_for = pl->s->server.version,
			};
			return;
		}
}

static int find_findings(struct planner *pl)
{
	struct plan *p = pl->p;

	/* An entry is untrusted, or not: and a link that leads to no store, or one of several. A
	 * plugin is kept, or not. */
	p->findings = calloc(2 * pl->s->links.n + pl->n_groups + 1, sizeof(*p->findings));
	if (!p->findings)
		return -ENOMEM;
	find_untrusted(pl);
	for (size_t i = 0; i < pl->s->links.n; i++) {
		const struct link *l = &pl->s->links.items[i];
		int r = pl->entries[i].ours ? 0 : looks_like_store(pl->c, l);

		if (r < 0)
			return r;
		if (r > 0)
			add_finding(p, FINDING_STORE_NOT_LISTED, l->name, NULL);
	}
	for (size_t i = 0; i < pl->n_groups; i++) {
		const struct group *g = &pl->groups[i];
		const char *first = NULL;

		for (size_t j = 0; j < g->n_links; j++) {
			size_t at = pl->link_order[g->first_link + j];

			if (pl->entries[at].group != i)
				continue;
			if (first)
				add_finding(p, FINDING_DUPLICATE_LINK, pl->s->links.items[at].name,
					    first);
			else
				first = pl->s->links.items[at].name;
		}
		find_unversioned(pl, g);
	}
	return 0;
}

/* Exit code 4: had a link, or is named in the configuration, or passes everything but its name's
 * way is barred; and has none. Not what is switched off, nor anything without a server. */
static bool is_missed(const struct planner *pl, const struct group *g)
{
	const struct config_plugin *said = config_find_plugin(pl->c, g->key);
	const struct verdict *v;

	if (wish_kept(g) || pl->s->server.state == SERVER_ABSENT || (said && said->enabled == 0))
		return false;
	for (size_t i = 0; i < g->n; i++) {
		const struct candidate *k = planner_candidate(pl, g->first + i);

		v = planner_verdict(pl, k);
		if (v->gate == GATE_NAME_TAKEN)
			return true;
		if (v->gate == GATE_FOREIGN_IN_THE_WAY)
			return g->winner; /* without one the foreign entry serves this very file */
	}
	if (g->n_links > 0)
		return !pl->p->not_known;
	if (g->n > 0)
		for (size_t i = 0; i < pl->s->names.n; i++)
			if (strcmp(pl->s->names.items[i].key, g->key) == 0)
				return true;
	return false;
}

static int find_missed(struct planner *pl)
{
	for (size_t i = 0; i < pl->n_groups; i++)
		if (is_missed(pl, &pl->groups[i])) {
			int r = strv_add(&pl->p->missed, pl->groups[i].key);

			if (r < 0)
				return r;
		}
	/* Named in the configuration, whether or not a file of it is there. */
	for (size_t i = 0; i < pl->c->n_plugins; i++) {
		const struct config_plugin *said = &pl->c->plugins[i];
		const struct group *g = planner_find_group(pl, said->key);
		int r;

		if (said->enabled == 0 || pl->s->server.state == SERVER_ABSENT ||
		    (g && (wish_kept(g) || (pl->p->not_known && g->n_links > 0))) ||
		    strv_has(pl->p->missed, said->key))
			continue;
		r = strv_add(&pl->p->missed, said->key);
		if (r < 0)
			return r;
	}
	strv_sort(pl->p->missed);
	return 0;
}

/* What verdicts borrow from the planner becomes the plan's. */
static int keep_texts(struct planner *pl)
{
	for (size_t i = 0; i < pl->p->n_verdicts; i++) {
		struct verdict *v = &pl->p->verdicts[i];
		int r;

		if (!v->wanted)
			continue;
		r = strv_add(&pl->p->texts, v->wanted);
		if (r < 0)
			return r;
		v->wanted = pl->p->texts[strv_len(pl->p->texts) - 1];
	}
	return 0;
}

int planner_act(struct planner *pl)
{
	struct plan *p = pl->p;
	size_t n = pl->s->links.n;
	int r = keep_texts(pl);

	for (size_t i = 0; i < pl->n_groups; i++)
		n += pl->groups[i].n_wishes;
	p->links = calloc(n + 1, sizeof(*p->links));
	if (!p->links)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < pl->s->links.n; i++)
		r = act_on_entry(pl, i);
	for (size_t i = 0; r >= 0 && i < pl->n_groups; i++)
		if (p->directory != PLAN_DIRECTORY_REFUSED && p->directory != PLAN_DIRECTORY_LEFT &&
		    p->directory != PLAN_DIRECTORY_NO_PARENT && !pl->s->held)
			r = act_on_wishes(pl, &pl->groups[i]);
	if (r >= 0 && p->n_links > 0)
		qsort(p->links, p->n_links, sizeof(*p->links), compare_actions);
	for (size_t i = 0; i < pl->n_groups; i++)
		date_file(pl, &pl->groups[i]);
	if (r >= 0)
		r = find_findings(pl);
	if (r >= 0 && !pl->s->held) /* what is half unpacked is not missed yet */
		r = find_missed(pl);
	return r;
}

bool plan_found(const struct plan *p, enum finding_code code)
{
	for (size_t i = 0; i < p->n_findings; i++)
		if (p->findings[i].code == code)
			return true;
	return false;
}

const struct candidate *plan_unread(const struct plan *p, const struct snapshot *s)
{
	for (size_t i = 0; i < p->n_verdicts; i++)
		if (p->verdicts[i].gate == GATE_UNREADABLE && s->candidates[i].facts.readable)
			return &s->candidates[i];
	return NULL;
}

size_t plan_changes(const struct plan *p)
{
	size_t n = p->directory == PLAN_DIRECTORY_MAKE || p->directory == PLAN_DIRECTORY_TAKE_OVER;

	for (size_t i = 0; i < p->n_links; i++)
		n += p->links[i].action == LINK_CREATE || p->links[i].action == LINK_REPLACE ||
		     p->links[i].action == LINK_REMOVE;
	return n;
}
