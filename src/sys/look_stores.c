/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/look.h"

#include <fcntl.h>

static void dir_done(struct dir *d)
{
	free(d->path);
	free(d->version);
	trust_facts_done(&d->trust);
	entries_clear(&d->doubt);
}

void dirs_done(struct observer *o)
{
	for (size_t i = 0; i < o->n_dirs; i++)
		dir_done(&o->dirs[i]);
	free(TAKE_PTR(o->dirs));
	o->n_dirs = 0;
}

static int add_dir(struct observer *o, size_t store, const char *path, const char *version)
{
	struct dir made = {.store = store, .doubt = {.all = true}};

	if (GROW(o->dirs, o->n_dirs) < 0 ||
	    asprintf(&made.path, "%s%s%s", path, version ? "/" : "", version ? version : "") < 0)
		return -ENOMEM;
	if (str_replace(&made.version, version) < 0) {
		free(made.path);
		return -ENOMEM;
	}
	made.subject = WATCH_STORES + o->next_subject++;
	o->dirs[o->n_dirs++] = made;
	return 0;
}

static void remove_dir(struct observer *o, size_t i)
{
	watch_begin(o->watch, o->dirs[i].subject);
	watch_end(o->watch, o->dirs[i].subject);
	dir_done(&o->dirs[i]);
	memmove(&o->dirs[i], &o->dirs[i + 1], (--o->n_dirs - i) * sizeof(*o->dirs));
}

int dirs_doubt_version(struct observer *o, size_t store, const char *version)
{
	const char *path = NULL;

	for (size_t i = 0; i < o->n_dirs; i++) {
		struct dir *d = &o->dirs[i];

		if (d->store != store)
			continue;
		if (!d->version)
			path = d->path;
		if (str_eq(d->version, version)) {
			d->doubt.all = true;
			return 0;
		}
	}
	return path ? add_dir(o, store, path, version) : 0;
}

/* Goes the way there, arming watches; d->error says how that ended. An fd or -errno. */
static int walk_dir(struct look *l, struct dir *d, int *ret_fd)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	struct watch *watch = l->o->watch;
	int r;

	watch_begin(watch, d->subject);
	r = watch_walk(watch, l->o->root, d->path, l->flags, &w);
	if (r >= 0 && w.error == 0 && S_ISDIR(w.st.st_mode))
		r = watch_visit(watch, w.fd, d->path, NULL, true);
	if (r < 0)
		return r;
	watch_end(watch, d->subject);
	d->error = w.error ? w.error : S_ISDIR(w.st.st_mode) ? 0 : ENOTDIR;
	d->device = w.st.st_dev;
	d->inode = w.st.st_ino;
	trust_facts_done(&d->trust);
	d->trust = w.trust;
	w.trust = (struct trust_facts){0};
	*ret_fd = TAKE_FD(w.fd);
	return 0;
}

/* Where a version directory was expected: it may be a file that is called like one, or a symlink to
 * what is to come. */
static int see_impostor(struct look *l, struct dir *d)
{
	const struct dir *store = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	for (size_t i = 0; !store && i < l->o->n_dirs; i++)
		if (l->o->dirs[i].store == d->store && !l->o->dirs[i].version)
			store = &l->o->dirs[i];
	if (!store)
		return 0;
	fd = root_open_path(l->o->root, store->path, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return fs_is_fatal(fd) ? fd : 0; /* its own event tells */
	d->waits = fstatat(fd, d->version, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
	return look_entry(l, store, fd, d->version, FACTS_ANEW);
}

static void doubt_versions_of(struct observer *o, size_t store)
{
	for (size_t i = 0; i < o->n_dirs; i++)
		if (o->dirs[i].store == store && o->dirs[i].version)
			o->dirs[i].doubt.all = true;
}

/* All of a directory. */
static int see_dir(struct look *l, size_t at)
{
	enum facts_how how = l->doubt & DOUBT_FORGET ? FACTS_ANEW : FACTS_IF_IN_DOUBT;
	struct observer *o = l->o;
	_cleanup_close_ int fd = -EBADF;
	_cleanup_strv_ char **names = NULL;
	int r = walk_dir(l, &o->dirs[at], &fd);

	if (r >= 0)
		r = look_doubt_entries(l, &o->dirs[at]);
	if (r < 0)
		return r;
	l->listed = true;
	entries_clear(&o->dirs[at].doubt);
	o->dirs[at].waits = false;
	if (!o->dirs[at].version)
		doubt_versions_of(o, o->dirs[at].store);
	else if (o->dirs[at].error == ENOTDIR || o->dirs[at].error == ENOENT)
		r = see_impostor(l, &o->dirs[at]);
	if (r >= 0 && o->dirs[at].error == 0) {
		r = fs_list(fd, &names);
		if (fs_is_fatal(r))
			return r;
		o->dirs[at].error = r < 0 ? -r : 0;
		r = 0;
	}
	for (char **n = names; r >= 0 && n && *n; n++) {
		/* o->dirs may move */
		if (!o->dirs[at].version && name_is_version_dir(*n))
			r = dirs_doubt_version(o, o->dirs[at].store, *n);
		else
			r = look_entry(l, &o->dirs[at], fd, *n, how);
	}
	return r;
}

/* Is the directory the one that was walked to? Its descriptor, or -ESTALE. */
static int enter(const struct look *l, const struct dir *d)
{
	_cleanup_close_ int fd = root_open_path(l->o->root, d->path, O_PATH | O_DIRECTORY);
	struct stat st;

	if (fs_is_fatal(fd))
		return fd;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != d->device || st.st_ino != d->inode)
		return -ESTALE;
	return TAKE_FD(fd);
}

/* Only the entries that something happened to. */
static int see_entries(struct look *l, size_t at)
{
	struct dir *d = &l->o->dirs[at];
	_cleanup_close_ int fd = enter(l, d);
	int r = 0;

	if (fd == -ESTALE)
		return see_dir(l, at);
	if (fd < 0)
		return fd;
	entries_sort(&d->doubt);
	for (size_t i = 0; r >= 0 && i < d->doubt.n; i++)
		r = look_entry(l, d, fd, d->doubt.names[i], FACTS_ANEW);
	entries_clear(&d->doubt);
	return r;
}

/* The rest of what is not settled: found by its directory. */
static int see_unfinished(struct look *l)
{
	if (!l->o->unfinished && l->n_linked == 0 && !(l->doubt & DOUBT_TARGETS))
		return 0;
	for (size_t i = 0; i < l->o->n_dirs; i++) {
		const struct dir *d = &l->o->dirs[i];
		_cleanup_close_ int fd = -EBADF;
		int r = 0;

		for (size_t j = 0; r >= 0 && j < l->s->n_candidates; j++) {
			struct candidate *k = &l->s->candidates[j];
			const char *rest = path_below(k->path, d->path);

			if (k->store != d->store || k->stale || !rest || strchr(rest, '/') ||
			    !look_is_open_question(l, k))
				continue;
			fd = fd >= 0 ? fd : enter(l, d);
			if (fd < 0) /* its own event tells */
				r = fs_is_fatal(fd) ? fd : 0;
			else
				r = look_entry(l, d, fd, rest, FACTS_IF_CHANGED);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int learn_stores(struct look *l)
{
	size_t n = strv_len(l->c->stores);
	bool same = n == l->s->n_stores;

	for (size_t i = 0; same && i < n; i++)
		same = strcmp(l->c->stores[i], l->s->stores[i].path) == 0;
	if (same && l->s->stores)
		return 0;
	l->stores_anew = true; /* other links may be ours */
	while (l->o->n_dirs > 0)
		remove_dir(l->o, l->o->n_dirs - 1);
	for (size_t i = 0; i < l->s->n_candidates; i++)
		l->s->candidates[i].stale = true;
	for (size_t i = 0; i < l->s->n_stores; i++) {
		free(l->s->stores[i].path);
		free(l->s->stores[i].error_path);
	}
	free(l->s->stores);
	l->s->n_stores = 0;
	l->s->stores = calloc(n + 1, sizeof(*l->s->stores));
	if (!l->s->stores)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = add_dir(l->o, i, l->c->stores[i], NULL);

		if (r >= 0)
			r = str_replace(&l->s->stores[i].path, l->c->stores[i]);
		if (r < 0)
			return r;
		l->s->n_stores++;
	}
	return 0;
}

/* What directories' errors mean for their store. Version directories that are none go. */
static int judge_dirs(struct look *l)
{
	struct observer *o = l->o;

	for (size_t i = 0; i < l->s->n_stores; i++) {
		l->s->stores[i].absent = false;
		l->s->stores[i].error = 0;
	}
	for (size_t i = 0; i < o->n_dirs;) {
		const struct dir *d = &o->dirs[i];
		struct store_facts *store = &l->s->stores[d->store];
		bool absent = d->error == ENOENT || d->error == ENOTDIR;

		if (absent && d->version && !d->waits) {
			remove_dir(o, i);
			continue;
		}
		store->absent = store->absent || (absent && !d->version);
		if (d->error != 0 && !absent &&
		    (store->error == 0 || strcmp(d->path, store->error_path) < 0)) {
			store->error = d->error;
			if (str_replace(&store->error_path, d->path) < 0)
				return -ENOMEM;
		}
		i++;
	}
	return 0;
}

int look_stores(struct look *l)
{
	struct observer *o = l->o;
	int r = learn_stores(l);

	/* Each turn may add version directories. */
	for (size_t i = 0; r >= 0 && i < o->n_dirs; i++) {
		if (o->dirs[i].doubt.all || (l->doubt & DOUBT_ALL) ||
		    watch_is_blind(o->watch, o->dirs[i].subject))
			r = see_dir(l, i);
		else if (o->dirs[i].doubt.n > 0)
			r = see_entries(l, i);
	}
	if (r >= 0 && !(l->doubt & DOUBT_ALL))
		r = see_unfinished(l);
	if (r >= 0)
		r = judge_dirs(l);
	return r < 0 ? r : look_settle_candidates(l);
}
