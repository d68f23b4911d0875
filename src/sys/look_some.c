/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/look.h"

#include "base/str.h"
#include "core/plan.h"
#include "sys/state.h"

#include <fcntl.h>

/* One partial look. */
struct some {
	struct look l;
	int links_fd;
	struct look_dir *dirs; /* opened so far */
	size_t n_dirs;
};

static void some_done(struct some *s)
{
	fd_close(s->links_fd);
	for (size_t i = 0; i < s->n_dirs; i++)
		look_dir_done(&s->dirs[i]);
	free(s->dirs);
}

/* 1 and the directory, 0 if it cannot be entered any more, -errno. */
static int enter(struct some *s, size_t store, const char *version, struct look_dir **ret)
{
	struct look_dir *grown;
	int r;

	for (size_t i = 0; i < s->n_dirs; i++)
		if (s->dirs[i].store == store && str_eq(s->dirs[i].version, version)) {
			*ret = &s->dirs[i];
			return s->dirs[i].error == 0;
		}
	grown = reallocarray(s->dirs, s->n_dirs + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->dirs = grown;
	r = look_open_dir(&s->l, store, version, &grown[s->n_dirs]);
	if (r < 0)
		return r;
	*ret = &grown[s->n_dirs++];
	return (*ret)->error == 0;
}

static bool has_candidate(const struct snapshot *s, const struct look_dir *d, const char *file)
{
	for (size_t i = 0; i < s->n_candidates; i++) {
		const char *rest = path_below(s->candidates[i].path, d->path);

		if (s->candidates[i].store == d->store && rest && strcmp(rest, file) == 0)
			return true;
	}
	return false;
}

static int see_candidate(struct some *s, size_t store, const char *version, const char *file)
{
	struct look_dir *d = NULL;
	int r = enter(s, store, version, &d);

	if (r <= 0)
		return r;
	if (!has_candidate(s->l.s, d, file)) {
		size_t n = s->l.s->n_candidates;

		r = look_candidate(&s->l, d, file);
		if (r < 0)
			return r;
		if (s->l.s->n_candidates > n && s->l.s->candidates[n].facts.many_names)
			return 0;
	}
	return 1;
}

static int see_link(struct some *s, const char *name)
{
	_cleanup_(link_done) struct link k = {0};
	int r;

	for (size_t i = 0; i < s->l.s->links.n; i++)
		if (strcmp(s->l.s->links.items[i].name, name) == 0)
			return 1;
	r = look_link(&s->l, s->links_fd, name, &k);
	if (r > 0)
		r = look_add_link(&s->l.s->links, &k);
	return r < 0 ? r : 1;
}

/* All that is known of one plugin: what the last full look saw, what came since, and the names its
 * link may have. 1, 0 (in doubt), -errno. */
static int see_plugin(struct some *s, const char *key, bool links)
{
	const struct world *w = &s->l.o->world;
	size_t first = world_first(w, key);
	int r = 1;

	for (size_t i = first; r > 0 && i < w->n; i++) {
		const struct world_item *item = &w->items[i];

		if (strcmp(item->key, key) != 0) {
			if (i < w->n_sorted)
				i = w->n_sorted - 1; /* the newcomers are behind the sorted ones */
			continue;
		}
		if (links != (item->store == WORLD_LINK))
			continue;
		r = links ? see_link(s, item->name)
			  : see_candidate(s, item->store, item->version, item->name);
	}
	return r;
}

static int see_possible_links(struct some *s, const char *key)
{
	int r = see_plugin(s, key, true);

	for (size_t i = 0; r > 0 && i < s->l.s->names.n; i++)
		if (strcmp(s->l.s->names.items[i].key, key) == 0)
			r = see_link(s, s->l.s->names.items[i].link);
	for (size_t i = 0; r > 0 && i < s->l.s->n_candidates; i++) {
		const struct candidate *k = &s->l.s->candidates[i];
		_cleanup_free_ char *link = NULL;

		if (!k->name.key || strcmp(k->name.key, key) != 0)
			continue;
		r = name_default_link(&k->name, k->file, &link);
		if (r >= 0)
			r = see_link(s, link);
	}
	return r;
}

static int add_key(struct some *s, const char *key)
{
	return strv_has(s->l.s->keys, key) ? 1 : strv_add(&s->l.s->keys, key) < 0 ? -ENOMEM : 1;
}

/* A name in a store or a version directory. */
static int take_store_hint(struct some *s, size_t store, const char *version, const char *file)
{
	_cleanup_(name_done) struct name n = {0};
	int r;

	if (!version && name_is_version_dir(file))
		return 0;
	r = name_parse(version, file, &n);
	if (r <= 0)
		return r < 0 ? r : 1; /* no candidate: nothing to look at */
	if (n.problem != NAME_FINE)
		return 0;
	r = world_note(&s->l.o->world, &(struct world_item){.key = n.key,
							    .name = (char *)(uintptr_t)file,
							    .version = (char *)(uintptr_t)version,
							    .store = store});
	return r <= 0 ? r : add_key(s, n.key);
}

static bool was_anothers_link(const struct world *w, const char *name, const char *key)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->items[i].store == WORLD_LINK && strcmp(w->items[i].name, name) == 0 &&
		    strcmp(w->items[i].key, key) != 0)
			return true;
	return false;
}

/* A name in the links directory: which plugin's link is it? If none is there any more, or it has
 * changed hands, others may have waited for the name: look at it all. */
static int take_link_hint(struct some *s, const char *name)
{
	_cleanup_(link_done) struct link k = {0};
	_cleanup_free_ char *key = NULL;
	struct world *w = &s->l.o->world;
	int r;

	if (strncmp(name, NAME_TEMPORARY_PREFIX, strlen(NAME_TEMPORARY_PREFIX)) == 0)
		return 1;
	r = look_link(&s->l, s->links_fd, name, &k);
	if (r > 0)
		r = plan_link_is_ours(s->l.c, &k, &key);
	if (r < 0)
		return r;
	if (!key || was_anothers_link(w, name, key))
		return 0;
	r = world_note(w, &(struct world_item){.key = key,
					       .name = (char *)(uintptr_t)name,
					       .store = WORLD_LINK});
	return r <= 0 ? r : add_key(s, key);
}

static int take_hint(struct some *s, const struct hint *h)
{
	if (strcmp(h->dir, s->l.c->links) == 0)
		return take_link_hint(s, h->name);
	for (size_t i = 0; i < s->l.s->n_stores; i++) {
		const char *store = s->l.s->stores[i].path;
		const char *below = path_below(h->dir, store);

		if (strcmp(h->dir, store) == 0)
			return take_store_hint(s, i, NULL, h->name);
		if (below && name_is_version_dir(below))
			return take_store_hint(s, i, below, h->name);
	}
	return 0;
}

static int enter_links(struct some *s)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	int r = fs_walk(s->l.o->root, s->l.c->links, WALK_NOFOLLOW_LAST | WALK_OWN_WAY, NULL, NULL,
			&w);

	if (r < 0)
		return r;
	if (w.error || !S_ISDIR(w.st.st_mode))
		return 0;
	s->l.s->links.device = w.st.st_dev;
	s->l.s->links.inode = w.st.st_ino;
	r = fs_judge(&w.st, w.resolved, 0, &s->l.s->links.trust);
	if (r < 0 || s->l.s->links.trust.trust != TRUST_FINE)
		return r;
	s->links_fd = TAKE_FD(w.fd);
	return 1;
}

static int look_some(struct some *s, const struct hint *hints, size_t n)
{
	const struct world *w = &s->l.o->world;
	struct snapshot *seen = s->l.s;
	int r = look_stores(&s->l);

	if (r >= 0)
		r = look_server(&s->l);
	if (r >= 0 && (seen->server.state != w->server_state ||
		       !str_eq(seen->server.version, w->server_version)))
		return 0;
	r = r < 0 ? r : enter_links(s);
	for (size_t i = 0; r > 0 && i < n; i++)
		r = take_hint(s, &hints[i]);
	for (char **key = seen->keys; r > 0 && key && *key; key++)
		r = see_plugin(s, *key, false);
	if (r > 0)
		snapshot_sort(seen);
	/* From the record as it is now: any pass since the last full look may have written it. */
	if (r > 0 && seen->keys)
		r = state_read_names_of(s->l.o->root, seen->keys, &seen->names) < 0 ? -ENOMEM : 1;
	for (char **key = seen->keys; r > 0 && key && *key; key++)
		r = see_possible_links(s, *key);
	for (char **name = w->foreign; r > 0 && name && *name; name++)
		r = see_link(s, *name);
	return r;
}

int observe_some(struct observer *o, const struct config *c, const struct hint *hints, size_t n,
		 struct snapshot *ret)
{
	_cleanup_(snapshot_done) struct snapshot seen = {.partial = true};
	_cleanup_(some_done) struct some s = {
		.l = {.o = o,
		      .c = c,
		      .s = &seen,
		      .flags = c->require_root_owned ? 0 : WALK_ANY_OWNER},
		.links_fd = -EBADF,
	};
	fs_visit_fn visit = o->visit;
	int r = 0;

	if (!o->world.valid)
		return 0;
	o->visit = NULL; /* the watches are there already */
	known_begin(o->known);
	r = look_some(&s, hints, n);
	known_end(o->known, KNOWN_KEEP);
	o->visit = visit;
	if (r <= 0)
		return r;
	snapshot_sort(&seen);
	*ret = seen;
	seen = (struct snapshot){0};
	return 1;
}
