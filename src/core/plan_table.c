/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sort.h"
#include "base/str.h"
#include "core/planner.h"

bool plan_link_is_ours(const struct config *c, const struct link *l)
{
	for (char **store = c->stores; l->target && store && *store; store++)
		if (path_below(l->target, *store))
			return true;
	return false;
}

/* The key of the plugin that what lies there in a store is called after, or NULL. 0 or -ENOMEM. */
static int key_below(const char *rest, char **ret)
{
	const char *slash = strchr(rest, '/');
	_cleanup_free_ char *dir = slash ? strndup(rest, (size_t)(slash - rest)) : NULL;
	struct name n = {0};
	int r = 0;

	if (slash && !dir)
		return -ENOMEM;
	if (!slash || !strchr(slash + 1, '/'))
		r = name_parse(dir, slash ? slash + 1 : rest, &n);
	if (r > 0 && n.problem == NAME_FINE)
		r = str_replace(ret, n.key);
	name_done(&n);
	return MIN(r, 0);
}

int plan_claim_link(const struct config *c, struct link *l)
{
	l->ours = plan_link_is_ours(c, l);
	/* Stores may be nested: the first in which the text names a plugin says which. */
	for (char **store = c->stores; l->ours && !l->key && *store; store++) {
		const char *rest = path_below(l->target, *store);
		int r = rest ? key_below(rest, &l->key) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- by plugin ---- */

/* By key; those of one plugin as they lie. */
static int compare_files(const void *a, const void *b, void *userdata _unused_)
{
	const struct candidate *x = *(const struct candidate *const *)a;
	const struct candidate *y = *(const struct candidate *const *)b;
	int c = strcmp(x->name.key, y->name.key);

	return c ? c : (x > y) - (x < y);
}

/* Of one plugin, the preferred first. */
static int compare_preference(const void *a, const void *b, void *userdata)
{
	const struct planner *pl = userdata;
	const struct candidate *x = *(const struct candidate *const *)a;
	const struct candidate *y = *(const struct candidate *const *)b;
	const char *server = pl->s->server.version;
	bool xs, ys;

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

static int compare_links(const void *a, const void *b, void *userdata _unused_)
{
	const struct link *x = *(const struct link *const *)a;
	const struct link *y = *(const struct link *const *)b;
	int c = strcmp(x->key, y->key);

	return c ? c : strcmp(x->name, y->name);
}

/* The three lists that are merged, as far as they are left. */
struct lists {
	const struct candidate **files; /* with a key, by key and preference */
	size_t n_files;
	const struct link **links; /* with a key, by key and name */
	size_t n_links;
	const struct remembered *names; /* by key and name */
	size_t n_names;
};

static int list_links(struct planner *pl, struct lists *ret)
{
	const struct links_facts *links = &pl->s->links;

	pl->entries = pool_new(&pl->p->memory, (links->n + 1) * sizeof(*pl->entries));
	ret->links = pool_new(&pl->p->memory, (links->n + 1) * sizeof(struct link *));
	if (!pl->entries || !ret->links)
		return -ENOMEM;
	for (size_t i = 0; i < links->n; i++)
		if (links->items[i].key)
			ret->links[ret->n_links++] = &links->items[i];
	sort_nearly(ret->links, ret->n_links, sizeof(struct link *), compare_links, NULL);
	return 0;
}

static int judge_files(struct planner *pl, struct lists *ret)
{
	const struct snapshot *s = pl->s;
	struct plan *p = pl->p;

	p->verdicts = pool_new(&p->memory, (s->n_candidates + 1) * sizeof(*p->verdicts));
	ret->files = pool_new(&p->memory, (s->n_candidates + 1) * sizeof(struct candidate *));
	if (!p->verdicts || !ret->files)
		return -ENOMEM;
	p->n_verdicts = s->n_candidates;
	for (size_t i = 0; i < s->n_candidates; i++) {
		const struct candidate *k = &s->candidates[i];

		p->verdicts[i].gate = gate_judge(pl->c, &s->server, k);
		p->verdicts[i].version = gate_version(pl->c, k);
		if (k->name.problem == NAME_FINE)
			ret->files[ret->n_files++] = k;
	}
	sort_nearly(ret->files, ret->n_files, sizeof(struct candidate *), compare_files, NULL);
	return 0;
}

/* ---- who wins ---- */

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

const struct candidate *planner_leads_to(const struct group *g, const struct link *l)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->files[i]->path, l->target) == 0)
			return g->files[i];
	return NULL;
}

bool planner_is_untrusted(const struct planner *pl, const struct group *g, const struct link *l)
{
	const struct candidate *k = planner_leads_to(g, l);

	return k && pl->p->directory == PLAN_DIRECTORY_FINE &&
	       !gate_passes(GATE_UNTRUSTED, pl->c, &pl->s->server, k);
}

static bool has_link_to(const struct group *g, const struct candidate *k)
{
	for (size_t i = 0; i < g->n_links; i++)
		if (strcmp(g->links[i]->target, k->path) == 0)
			return true;
	return false;
}

static void choose_winner(struct planner *pl, struct group *g)
{
	for (size_t i = 0; i < g->n && !g->winner; i++)
		if (planner_is_transient(pl, g->files[i]) && has_link_to(g, g->files[i])) {
			g->winner = g->files[i];
			g->waiting = true;
		}
	for (size_t i = 0; i < g->n; i++) {
		struct verdict *v = planner_verdict(pl, g->files[i]);

		if (v->gate != GATE_LINKED)
			continue;
		if (g->winner) {
			v->gate = GATE_SHADOWED;
			v->rival = g->winner->path;
		} else {
			g->winner = g->files[i];
		}
	}
}

/* NULL, the end of a list, comes last. */
static int compare_keys(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (b != NULL) - (a != NULL);
}

/* The next group: what the lists begin with, as far as that is one plugin's. */
static void take_group(struct planner *pl, struct lists *l, struct group *g)
{
	const char *file = l->n_files > 0 ? l->files[0]->name.key : NULL;
	const char *link = l->n_links > 0 ? l->links[0]->key : NULL;
	const char *name = l->n_names > 0 ? l->names[0].key : NULL;
	int file_link = compare_keys(file, link);
	int name_other = compare_keys(name, file_link <= 0 ? file : link);

	*g = (struct group){.files = l->files, .links = l->links, .names = l->names};
	if (name_other >= 0 && file_link <= 0) {
		g->key = file;
		do
			g->n++;
		while (g->n < l->n_files && strcmp(l->files[g->n]->name.key, file) == 0);
		sort_nearly(l->files, g->n, sizeof(*l->files), compare_preference, pl);
	}
	if (name_other >= 0 && file_link >= 0) {
		g->key = link;
		do
			planner_entry(pl, l->links[g->n_links++])->own = g;
		while (g->n_links < l->n_links && strcmp(l->links[g->n_links]->key, link) == 0);
	}
	if (name_other <= 0) {
		g->key = name;
		do
			g->n_names++;
		while (g->n_names < l->n_names && strcmp(l->names[g->n_names].key, name) == 0);
	}
	l->files += g->n;
	l->n_files -= g->n;
	l->links += g->n_links;
	l->n_links -= g->n_links;
	l->names += g->n_names;
	l->n_names -= g->n_names;
}

static int make_groups(struct planner *pl, struct lists *lists)
{
	size_t most = lists->n_files + lists->n_links + lists->n_names;

	pl->groups = pool_room(&pl->p->memory, most, sizeof(*pl->groups));
	if (!pl->groups)
		return -ENOMEM;
	while (lists->n_files + lists->n_links + lists->n_names > 0) {
		take_group(pl, lists, &pl->groups[pl->n_groups]);
		choose_winner(pl, &pl->groups[pl->n_groups++]);
	}
	pool_keep(&pl->p->memory, pl->groups, pl->n_groups, sizeof(*pl->groups));
	return 0;
}

const struct group *planner_find_group(const struct planner *pl, const char *key)
{
	size_t at = str_lower_bound(pl->groups, pl->n_groups, sizeof(*pl->groups),
				    offsetof(struct group, key), key);

	return at < pl->n_groups && str_eq(pl->groups[at].key, key) ? &pl->groups[at] : NULL;
}

/* Winners by what they are: a hash table with room for twice as many. */
struct inodes {
	struct group **groups;
	size_t mask;
};

/* The place of the group whose winner is that file, or where it would be. */
static struct group **find_inode(const struct inodes *t, uint64_t device, uint64_t inode)
{
	size_t i = (size_t)((inode * 0x9e3779b97f4a7c15ULL) >> 20) & t->mask;

	for (; t->groups[i]; i = (i + 1) & t->mask) {
		const struct candidate *k = t->groups[i]->winner;

		if (k && k->facts.signature.inode == inode && k->facts.signature.device == device)
			break;
	}
	return &t->groups[i];
}

/* Who has a link keeps it, for scripts import that one: those go first. */
static void drop_second_names(const struct planner *pl, const struct inodes *t, bool linked)
{
	for (size_t i = 0; i < pl->n_groups; i++) {
		struct group *g = &pl->groups[i], **at;

		if (!g->winner || g->waiting || (g->n_links > 0) != linked)
			continue;
		at = find_inode(t, g->winner->facts.signature.device,
				g->winner->facts.signature.inode);
		if (!*at) {
			*at = g;
			continue;
		}
		planner_verdict(pl, g->winner)->gate = GATE_SHADOWED;
		planner_verdict(pl, g->winner)->rival = (*at)->winner->path;
		g->winner = NULL;
	}
}

/* One file under two NAMEs, or already linked by the administrator: vSMTP dies if it is imported
 * under two paths, so there is no second link (rule 6). */
static int drop_double_files(struct planner *pl)
{
	const struct links_facts *links = &pl->s->links;
	struct inodes t = {.mask = 16};

	while (t.mask < 2 * pl->n_groups)
		t.mask *= 2;
	t.groups = pool_new(&pl->p->memory, t.mask * sizeof(struct group *));
	t.mask--;
	if (!t.groups)
		return -ENOMEM;
	drop_second_names(pl, &t, true);
	drop_second_names(pl, &t, false);
	for (size_t i = 0; i < links->n; i++) {
		const struct link *l = &links->items[i];
		struct group *g = l->ours || l->dangling
					  ? NULL
					  : *find_inode(&t, l->target_device, l->target_inode);

		if (!g || g->n_links > 0)
			continue;
		planner_verdict(pl, g->winner)->gate = GATE_FOREIGN_IN_THE_WAY;
		planner_verdict(pl, g->winner)->rival = l->name;
		g->winner = NULL;
	}
	return 0;
}

int planner_table(struct planner *pl)
{
	struct lists lists = {.names = pl->s->names.items, .n_names = pl->s->names.n};
	int r = list_links(pl, &lists);

	if (r >= 0)
		r = judge_files(pl, &lists);
	if (r >= 0)
		r = make_groups(pl, &lists);
	return r < 0 ? r : drop_double_files(pl);
}
