/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "core/plan.h"
#include "sys/look.h"

/* More of these and the whole directory is looked at instead. */
#define FOREIGN_MAX 64

static void world_item_done(struct world_item *i)
{
	free(i->key);
	free(i->name);
	free(i->version);
}

void world_done(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		world_item_done(&w->items[i]);
	free(w->items);
	free(w->server_version);
	strv_free(w->foreign);
	*w = (struct world){0};
}

/* Copies what it is given; there must be room. */
static int world_add(struct world *w, const struct world_item *item)
{
	struct world_item made = {.store = item->store};
	int r = str_replace(&made.key, item->key);

	if (r >= 0)
		r = str_replace(&made.name, item->name);
	if (r >= 0)
		r = str_replace(&made.version, item->version);
	w->items[w->n++] = made;
	return r;
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(((const struct world_item *)a)->key, ((const struct world_item *)b)->key);
}

/* The version directory in STORE/VERSION/file, or NULL. */
static int version_of(const struct snapshot *s, const struct candidate *k, char **ret)
{
	const char *rest = path_below(k->path, s->stores[k->store].path);
	const char *slash = rest ? strchr(rest, '/') : NULL;

	*ret = slash ? strndup(rest, (size_t)(slash - rest)) : NULL;
	return slash && !*ret ? -ENOMEM : 0;
}

static int learn_candidates(struct world *w, const struct snapshot *s)
{
	for (size_t i = 0; i < s->n_candidates; i++) {
		const struct candidate *k = &s->candidates[i];
		_cleanup_free_ char *version = NULL;
		int r = version_of(s, k, &version);

		if (r >= 0)
			r = world_add(w, &(struct world_item){.key = k->name.key ? k->name.key
										 : k->name.name,
							      .name = k->file,
							      .version = version,
							      .store = k->store});
		if (r < 0)
			return r;
	}
	return 0;
}

static int learn_links(struct world *w, const struct config *c, const struct snapshot *s)
{
	for (size_t i = 0; i < s->links.n; i++) {
		const struct link *l = &s->links.items[i];
		_cleanup_free_ char *key = NULL;
		int r = plan_link_is_ours(c, l, &key);

		if (r > 0 && key)
			r = world_add(w, &(struct world_item){
						 .key = key, .name = l->name, .store = WORLD_LINK});
		else if (r == 0)
			r = strv_len(w->foreign) <= FOREIGN_MAX ? strv_add(&w->foreign, l->name)
								: 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int world_learn(struct world *w, const struct config *c, const struct snapshot *s)
{
	struct world made = {.server_state = s->server.state};
	int r = 0;

	made.items = calloc(s->n_candidates + s->links.n + WORLD_RECENT_MAX, sizeof(*made.items));
	if (!made.items)
		r = -ENOMEM;
	if (r >= 0)
		r = str_replace(&made.server_version, s->server.version);
	if (r >= 0)
		r = learn_candidates(&made, s);
	if (r >= 0)
		r = learn_links(&made, c, s);
	if (r < 0) {
		world_done(&made);
		return r;
	}
	qsort(made.items, made.n, sizeof(*made.items), compare_items);
	made.n_sorted = made.n;
	/* Where something is not known, hidden, or odd, only a full look will do. */
	made.valid = s->server.state != SERVER_UNKNOWN && s->links.state == LINKS_FINE &&
		     s->links.trust.trust == TRUST_FINE && strv_len(made.foreign) <= FOREIGN_MAX;
	for (size_t i = 0; i < s->n_stores; i++)
		made.valid = made.valid && s->stores[i].error == 0;
	for (size_t i = 0; i < s->n_candidates; i++)
		made.valid = made.valid && !s->candidates[i].facts.many_names;
	world_done(w);
	*w = made;
	return 0;
}

/* Notes a newcomer, so that the next partial look knows of it; 0 if there are too many. */
int world_note(struct world *w, const struct world_item *item)
{
	for (size_t i = w->n_sorted; i < w->n; i++)
		if (strcmp(w->items[i].key, item->key) == 0 &&
		    strcmp(w->items[i].name, item->name) == 0 && w->items[i].store == item->store &&
		    str_eq(w->items[i].version, item->version))
			return 1;
	if (w->n - w->n_sorted >= WORLD_RECENT_MAX)
		return 0;
	return world_add(w, item) < 0 ? -ENOMEM : 1;
}

size_t world_first(const struct world *w, const char *key)
{
	return str_lower_bound(w->items, w->n_sorted, sizeof(*w->items),
			       offsetof(struct world_item, key), key);
}
