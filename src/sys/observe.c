/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/observe.h"

#include "base/str.h"
#include "sys/elf.h"
#include "sys/known.h"
#include "sys/look.h"
#include "sys/state.h"

int observer_new(const struct root *root, enum server_flags flags, struct observer **ret)
{
	struct observer *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->root = root;
	o->flags = flags;
	r = elf_start();
	if (r >= 0)
		r = known_new(root, &o->known);
	if (r >= 0)
		r = server_memory_new(&o->server);
	if (r < 0) {
		observer_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

struct observer *observer_free(struct observer *o)
{
	if (o) {
		known_free(o->known);
		world_done(&o->world);
		server_memory_free(o->server);
		free(o);
	}
	return NULL;
}

void observer_forget(struct observer *o)
{
	known_forget(o->known);
	o->world.valid = false;
	server_memory_clear(o->server);
}

void observer_set_visit(struct observer *o, fs_visit_fn visit, void *userdata)
{
	o->visit = visit;
	o->userdata = userdata;
}

static int visit_directory(struct observer *o, int fd, const char *path)
{
	return o->visit ? o->visit(o->userdata, fd, path, NULL, true) : 0;
}

static int add_candidate(struct snapshot *s, struct candidate *made)
{
	if ((s->n_candidates & (s->n_candidates - 1)) == 0) { /* room doubles at powers of two */
		size_t room = s->n_candidates ? s->n_candidates * 2 : 1;
		struct candidate *grown = reallocarray(s->candidates, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->candidates = grown;
	}
	s->candidates[s->n_candidates++] = *made;
	*made = (struct candidate){0};
	return 0;
}

int look_candidate(struct look *l, const struct look_dir *d, const char *file)
{
	_cleanup_(candidate_done) struct candidate k = {.store = d->store};
	_cleanup_buf_ struct buf path = BUF_INIT;
	int r = name_parse(d->version, file, &k.name);

	if (r <= 0)
		return r;
	r = known_look(l->o->known, d->fd, d->path, file, &d->trust, l->flags, &k.facts);
	if (r <= 0)
		return r;
	buf_add(&path, d->path);
	buf_add(&path, "/");
	buf_add(&path, file);
	r = buf_take(&path, &k.path);
	k.file = strdup(file);
	if (r < 0 || !k.file)
		return -ENOMEM;
	if (k.name.problem == NAME_FINE) {
		r = known_find_missing(l->o->known, l->o->server, &l->s->server, k.path, &k.facts);
		if (r < 0)
			return r;
	}
	return add_candidate(l->s, &k);
}

void look_dir_done(struct look_dir *d)
{
	d->fd = fd_close(d->fd);
	free(d->path);
	free(d->version);
	trust_facts_done(&d->trust);
}

int look_open_dir(struct look *l, size_t store, const char *version, struct look_dir *ret)
{
	_cleanup_(look_dir_done) struct look_dir d = {.fd = -EBADF, .store = store};
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	buf_add(&b, l->s->stores[store].path);
	if (version) {
		buf_add(&b, "/");
		buf_add(&b, version);
		d.version = strdup(version);
	}
	r = buf_take(&b, &d.path);
	if (r < 0 || (version && !d.version))
		return -ENOMEM;
	r = fs_walk(l->o->root, d.path, l->flags, l->o->visit, l->o->userdata, &w);
	if (r >= 0 && w.error == 0)
		r = visit_directory(l->o, w.fd, d.path);
	if (r < 0)
		return r;
	if (w.error == 0 && !S_ISDIR(w.st.st_mode))
		w.error = ENOTDIR;
	r = trust_facts_copy(&d.trust, &w.trust);
	if (r < 0)
		return r;
	d.error = w.error;
	d.fd = TAKE_FD(w.fd);
	*ret = d;
	d = (struct look_dir){.fd = -EBADF};
	return 0;
}

/* What a directory of a store holds; its own failure is a fact of the store. */
static int look_into(struct look *l, struct look_dir *d, char ***ret_names)
{
	struct store_facts *store = &l->s->stores[d->store];
	int r = d->error ? -d->error : fs_list(d->fd, ret_names);

	if (r >= 0 || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r < 0 ? r : 1;
	if (r == -ENOENT || r == -ENOTDIR) {
		store->absent = store->absent || !d->version;
		return 0;
	}
	if (store->error == 0) {
		store->error = -r;
		return str_replace(&store->error_path, d->path) < 0 ? -ENOMEM : 0;
	}
	return 0;
}

static int look_version_dir(struct look *l, size_t store, const char *version)
{
	_cleanup_(look_dir_done) struct look_dir d = {.fd = -EBADF};
	_cleanup_strv_ char **names = NULL;
	int r = look_open_dir(l, store, version, &d);

	if (r >= 0)
		r = look_into(l, &d, &names);
	for (char **n = names; r >= 0 && n && *n; n++)
		r = look_candidate(l, &d, *n);
	return r;
}

static int look_store(struct look *l, size_t store)
{
	_cleanup_(look_dir_done) struct look_dir d = {.fd = -EBADF};
	_cleanup_strv_ char **names = NULL;
	int r = look_open_dir(l, store, NULL, &d);

	if (r >= 0)
		r = look_into(l, &d, &names);
	for (char **n = names; r >= 0 && n && *n; n++) {
		if (name_is_version_dir(*n))
			r = look_version_dir(l, store, *n);
		else
			r = look_candidate(l, &d, *n);
	}
	return r;
}

int look_stores(struct look *l)
{
	size_t n = strv_len(l->c->stores);

	l->s->stores = calloc(n + 1, sizeof(*l->s->stores));
	if (!l->s->stores)
		return -ENOMEM;
	l->s->n_stores = n;
	for (size_t i = 0; i < n; i++) {
		l->s->stores[i].path = strdup(l->c->stores[i]);
		if (!l->s->stores[i].path)
			return -ENOMEM;
	}
	return 0;
}

int look_server(struct look *l)
{
	return server_read(l->o->server, l->o->root, l->c, l->o->flags, l->o->visit, l->o->userdata,
			   &l->s->server);
}

int observe(struct observer *o, const struct config *c, struct snapshot *ret)
{
	_cleanup_(snapshot_done) struct snapshot s = {0};
	struct look l = {
		.o = o,
		.c = c,
		.s = &s,
		.flags = c->require_root_owned ? 0 : WALK_ANY_OWNER,
	};
	int r;

	known_begin(o->known);
	r = look_stores(&l);
	if (r >= 0)
		r = look_server(&l);
	for (size_t i = 0; r >= 0 && i < s.n_stores; i++)
		r = look_store(&l, i);
	snapshot_sort(&s);
	if (r >= 0)
		r = look_links(&l);
	if (r >= 0)
		r = state_read_names(o->root, &s.names);
	known_end(o->known, r < 0 ? KNOWN_KEEP : KNOWN_FORGET_UNSEEN);
	if (r >= 0) {
		snapshot_sort(&s);
		r = world_learn(&o->world, c, &s);
	}
	if (r < 0)
		return r;
	*ret = s;
	s = (struct snapshot){0};
	return 0;
}
