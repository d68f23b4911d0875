/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/plan.h"

#include "base/str.h"
#include "core/planner.h"

DEFINE_TO_STRING(
	link_action,
	LINK_ACTION_MAX, [LINK_KEEP] = "keep", [LINK_CREATE] = "create", [LINK_REPLACE] = "replace",
	[LINK_REMOVE] = "remove", [LINK_HOLD] = "hold", [LINK_FOREIGN] = "foreign");
DEFINE_TO_STRING(plan_directory,
		 PLAN_DIRECTORY_MAX, [PLAN_DIRECTORY_FINE] = "fine", [PLAN_DIRECTORY_MAKE] = "make",
		 [PLAN_DIRECTORY_TAKE_OVER] = "take-over", [PLAN_DIRECTORY_REFUSED] = "refused",
		 [PLAN_DIRECTORY_NO_PARENT] = "no-parent", [PLAN_DIRECTORY_LEFT] = "left");
DEFINE_TO_STRING(finding_code, FINDING_CODE_MAX, [FINDING_DUPLICATE_LINK] = "duplicate-link",
		 [FINDING_STORE_NOT_LISTED] = "store-not-listed",
		 [FINDING_UNVERSIONED_KEPT] = "unversioned-kept",
		 [FINDING_UNTRUSTED_ENTRY] = "untrusted-entry",
		 [FINDING_UNTRUSTED_PARENT] = "untrusted-parent");

void plan_done(struct plan *p)
{
	free(p->verdicts);
	for (size_t i = 0; i < p->n_links; i++) {
		free(p->links[i].name);
		free(p->links[i].key);
	}
	free(p->links);
	free(p->findings);
	remembered_names_done(&p->names);
	strv_free(p->texts);
	strv_free(p->missed);
	*p = (struct plan){0};
}

static void planner_done(struct planner *pl)
{
	for (size_t i = 0; pl->entries && i < pl->s->links.n; i++)
		free(pl->entries[i].key);
	free(pl->entries);
	for (size_t i = 0; i < pl->n_groups; i++) {
		for (size_t j = 0; j < pl->groups[i].n_wishes; j++)
			free(pl->groups[i].wishes[j].name);
		free(pl->groups[i].wishes);
	}
	free(pl->groups);
	free(pl->order);
	free(pl->link_order);
}

int plan_link_is_ours(const struct config *c, const struct link *l, char **ret_key)
{
	int ours = 0;

	/* Stores may be nested: the first in which the text names a plugin says which. */
	for (char **store = c->stores; l->target && store && *store; store++) {
		const char *rest = path_below(l->target, *store), *slash;
		_cleanup_free_ char *dir = NULL;
		struct name n = {0};
		int r = 0;

		if (!rest)
			continue;
		ours = 1;
		if (!ret_key)
			return 1;
		*ret_key = NULL;
		slash = strchr(rest, '/');
		if (slash) {
			dir = strndup(rest, (size_t)(slash - rest));
			if (!dir)
				return -ENOMEM;
		}
		if (!slash || !strchr(slash + 1, '/'))
			r = name_parse(dir, slash ? slash + 1 : rest, &n);
		if (r > 0 && n.problem == NAME_FINE)
			*ret_key = TAKE_PTR(n.key);
		name_done(&n);
		if (r < 0 || *ret_key)
			return r < 0 ? r : 1;
	}
	return ours;
}

/* qsort_r's third argument carries the planner. */
static int compare_order(const void *a, const void *b, void *userdata)
{
	const struct planner *pl = userdata;
	const struct candidate *x = &pl->s->candidates[*(const size_t *)a];
	const struct candidate *y = &pl->s->candidates[*(const size_t *)b];
	int c = strcmp(x->name.key, y->name.key);
	const char *server = pl->s->server.version;
	bool xs, ys;

	if (c)
		return c;
	if (x->store != y->store)
		return x->store < y->store ? -1 : 1;
	if (x->name.layout != y->name.layout)
		return x->name.layout < y->name.layout ? -1 : 1;
	xs = server && str_eq(gate_version(pl->c, x), server);
	ys = server && str_eq(gate_version(pl->c, y), server);
	if (xs != ys)
		return xs ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int compare_link_order(const void *a, const void *b, void *userdata)
{
	const struct planner *pl = userdata;
	size_t i = *(const size_t *)a, j = *(const size_t *)b;
	int c = strcmp(pl->entries[i].key, pl->entries[j].key);

	return c ? c : strcmp(pl->s->links.items[i].name, pl->s->links.items[j].name);
}

static int classify_links(struct planner *pl)
{
	pl->entries = calloc(pl->s->links.n + 1, sizeof(*pl->entries));
	pl->link_order = calloc(pl->s->links.n + 1, sizeof(*pl->link_order));
	if (!pl->entries || !pl->link_order)
		return -ENOMEM;
	for (size_t i = 0; i < pl->s->links.n; i++) {
		struct entry *e = &pl->entries[i];
		int r = plan_link_is_ours(pl->c, &pl->s->links.items[i], &e->key);

		if (r < 0)
			return r;
		e->ours = r > 0;
		e->group = SIZE_MAX;
		if (e->key)
			pl->link_order[pl->n_link_order++] = i;
	}
	qsort_r(pl->link_order, pl->n_link_order, sizeof(size_t), compare_link_order, pl);
	return 0;
}

static int judge_candidates(struct planner *pl)
{
	pl->p->verdicts = calloc(pl->s->n_candidates + 1, sizeof(*pl->p->verdicts));
	pl->order = calloc(pl->s->n_candidates + 1, sizeof(*pl->order));
	if (!pl->p->verdicts || !pl->order)
		return -ENOMEM;
	pl->p->n_verdicts = pl->s->n_candidates;
	for (size_t i = 0; i < pl->s->n_candidates; i++) {
		const struct candidate *k = &pl->s->candidates[i];

		pl->p->verdicts[i].gate = gate_judge(pl->c, &pl->s->server, k);
		pl->p->verdicts[i].version = gate_version(pl->c, k);
		if (k->name.problem == NAME_FINE)
			pl->order[pl->n_order++] = i;
	}
	qsort_r(pl->order, pl->n_order, sizeof(size_t), compare_order, pl);
	return 0;
}

/* Merges the three sorted lists of keys: candidates, links of ours, remembered names. */
static int make_groups(struct planner *pl)
{
	size_t k = 0, l = 0, m = 0;

	pl->groups =
		calloc(pl->n_order + pl->n_link_order + pl->s->names.n + 1, sizeof(*pl->groups));
	if (!pl->groups)
		return -ENOMEM;
	while (k < pl->n_order || l < pl->n_link_order || m < pl->s->names.n) {
		struct group *g = &pl->groups[pl->n_groups++];
		const char *keys[] = {
			k < pl->n_order ? planner_candidate(pl, k)->name.key : NULL,
			l < pl->n_link_order ? pl->entries[pl->link_order[l]].key : NULL,
			m < pl->s->names.n ? pl->s->names.items[m].key : NULL,
		};

		for (size_t i = 0; i < ELEMENTSOF(keys); i++)
			if (keys[i] && (!g->key || strcmp(keys[i], g->key) < 0))
				g->key = keys[i];
		g->first = k;
		while (k < pl->n_order && strcmp(planner_candidate(pl, k)->name.key, g->key) == 0)
			k++;
		g->n = k - g->first;
		g->first_link = l;
		while (l < pl->n_link_order &&
		       strcmp(pl->entries[pl->link_order[l]].key, g->key) == 0)
			l++;
		g->n_links = l - g->first_link;
		while (m < pl->s->names.n && strcmp(pl->s->names.items[m].key, g->key) == 0)
			m++;
	}
	return 0;
}

bool planner_is_transient(const struct planner *pl, const struct candidate *k)
{
	enum gate g = planner_verdict(pl, k)->gate;

	if (g == GATE_MISSING_LIBRARY && k->facts.missing_unsure)
		return true;
	if (g != GATE_BEING_WRITTEN &&
	    !(g == GATE_UNREADABLE && k->facts.readable && k->facts.read_error != 0))
		return false;
	return gate_passes(GATE_VERSION_CONFLICT, pl->c, &pl->s->server, k) &&
	       gate_passes(GATE_VERSION_MISMATCH, pl->c, &pl->s->server, k);
}

const struct candidate *planner_leads_to(const struct planner *pl, const struct group *g,
					 const struct link *l)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(planner_candidate(pl, g->first + i)->path, l->target) == 0)
			return planner_candidate(pl, g->first + i);
	return NULL;
}

bool planner_is_untrusted(const struct planner *pl, const struct group *g, const struct link *l)
{
	const struct candidate *k = planner_leads_to(pl, g, l);

	return k && pl->p->directory == PLAN_DIRECTORY_FINE &&
	       !gate_passes(GATE_UNTRUSTED, pl->c, &pl->s->server, k);
}

static bool has_link_to(const struct planner *pl, const struct group *g, const struct candidate *k)
{
	for (size_t i = 0; i < g->n_links; i++)
		if (strcmp(planner_link(pl, g->first_link + i)->target, k->path) == 0)
			return true;
	return false;
}

static void choose_winner(struct planner *pl, struct group *g)
{
	for (size_t i = 0; i < g->n && !g->winner; i++) {
		const struct candidate *k = planner_candidate(pl, g->first + i);

		if (planner_is_transient(pl, k) && has_link_to(pl, g, k)) {
			g->winner = k;
			g->waiting = true;
		}
	}
	for (size_t i = 0; i < g->n; i++) {
		const struct candidate *k = planner_candidate(pl, g->first + i);
		struct verdict *v = planner_verdict(pl, k);

		if (v->gate != GATE_LINKED)
			continue;
		if (g->winner) {
			v->gate = GATE_SHADOWED;
			v->rival = g->winner->path;
		} else {
			g->winner = k;
		}
	}
}

static int compare_winner_inodes(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
	const struct signature *s = &x->winner->facts.signature, *t = &y->winner->facts.signature;

	if (s->device != t->device)
		return s->device < t->device ? -1 : 1;
	if (s->inode != t->inode)
		return s->inode < t->inode ? -1 : 1;
	/* Who has a link keeps it: scripts import that one. */
	if ((x->n_links > 0) != (y->n_links > 0))
		return x->n_links > 0 ? -1 : 1;
	return strcmp(x->key, y->key);
}

static bool same_file(const struct candidate *a, const struct candidate *b)
{
	return a->facts.signature.device == b->facts.signature.device &&
	       a->facts.signature.inode == b->facts.signature.inode;
}

/* One file under two NAMEs, or already linked by the administrator: vSMTP dies if it is imported
 * under two paths, so there is no second link (rule 6). */
static int drop_double_files(struct planner *pl)
{
	_cleanup_free_ struct group **by_inode = calloc(pl->n_groups + 1, sizeof(*by_inode));
	size_t n = 0;

	if (!by_inode)
		return -ENOMEM;
	for (size_t i = 0; i < pl->n_groups; i++)
		if (pl->groups[i].winner && !pl->groups[i].waiting)
			by_inode[n++] = &pl->groups[i];
	qsort(by_inode, n, sizeof(struct group *), compare_winner_inodes);
	for (size_t i = 1, first = 0; i < n; i++) {
		struct verdict *v = planner_verdict(pl, by_inode[i]->winner);

		if (!same_file(by_inode[i]->winner, by_inode[first]->winner)) {
			first = i;
			continue;
		}
		v->gate = GATE_SHADOWED;
		v->rival = by_inode[first]->winner->path;
		by_inode[i]->winner = NULL;
	}
	for (size_t f = 0; f < pl->s->links.n; f++) {
		const struct link *l = &pl->s->links.items[f];

		for (size_t i = 0; !pl->entries[f].ours && !l->dangling && i < n; i++) {
			struct group *g = by_inode[i];

			if (!g->winner || g->n_links > 0 ||
			    g->winner->facts.signature.inode != l->target_inode ||
			    g->winner->facts.signature.device != l->target_device)
				continue;
			planner_verdict(pl, g->winner)->gate = GATE_FOREIGN_IN_THE_WAY;
			planner_verdict(pl, g->winner)->rival = l->name;
			g->winner = NULL;
		}
	}
	return 0;
}

static enum plan_directory plan_directory(const struct config *c, const struct snapshot *s)
{
	if (c->not_known)
		return PLAN_DIRECTORY_LEFT;
	switch (s->links.state) {
	case LINKS_FINE:
		return s->held || s->links.trust.trust == TRUST_FINE ? PLAN_DIRECTORY_FINE
								     : PLAN_DIRECTORY_TAKE_OVER;
	case LINKS_MISSING:
		return s->held ? PLAN_DIRECTORY_FINE : PLAN_DIRECTORY_MAKE;
	case LINKS_NO_PARENT:
		return PLAN_DIRECTORY_NO_PARENT;
	case LINKS_SYMLINK:
	case LINKS_NOT_DIR:
	case LINKS_ERROR:
	case LINKS_STATE_MAX:
	default:
		return PLAN_DIRECTORY_REFUSED;
	}
}

static bool something_not_known(const struct config *c, const struct snapshot *s)
{
	if (c->not_known || s->server.state == SERVER_UNKNOWN)
		return true;
	for (size_t i = 0; i < s->n_stores; i++)
		if (s->stores[i].error != 0)
			return true;
	return false;
}

int plan_make(const struct config *c, const struct snapshot *s, struct plan *ret)
{
	struct plan p = {
		.directory = plan_directory(c, s),
		.not_known = something_not_known(c, s),
	};
	struct planner pl = {.c = c, .s = s, .p = &p};
	int r = classify_links(&pl);

	if (r >= 0)
		r = judge_candidates(&pl);
	if (r >= 0)
		r = make_groups(&pl);
	for (size_t i = 0; r >= 0 && i < pl.n_groups; i++)
		choose_winner(&pl, &pl.groups[i]);
	if (r >= 0)
		r = drop_double_files(&pl);
	if (r >= 0)
		r = planner_name_groups(&pl);
	if (r >= 0)
		r = planner_act(&pl);
	if (r >= 0)
		r = planner_remember(&pl);
	planner_done(&pl);
	if (r < 0)
		plan_done(&p);
	else
		*ret = p;
	return r;
}
