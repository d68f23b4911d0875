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
	struct dir made = {.store = store, .doubt = {.all = true}}, *grown;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	buf_add(&b, path);
	if (version) {
		buf_add(&b, "/");
		buf_add(&b, version);
	}
	r = buf_take(&b, &made.path);
	if (r >= 0)
		r = str_replace(&made.version, version);
	grown = r < 0 ? NULL : reallocarray(o->dirs, o->n_dirs + 1, sizeof(*grown));
	if (!grown) {
		dir_done(&made);
		return -ENOMEM;
	}
	made.subject = WATCH_STORES + o->next_subject++;
	o->dirs = grown;
	grown[o->n_dirs++] = made;
	return 0;
}

static void remove_dir(struct observer *o, size_t i)
{
	if (o->watch) {
		watch_begin(o->watch, o->dirs[i].subject);
		watch_end(o->watch, o->dirs[i].subject);
	}
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

/* ---- candidates ---- */

static int compare(const struct candidate *k, size_t store, const char *path)
{
	if (k->store != store)
		return k->store < store ? -1 : 1;
	return strcmp(k->path, path);
}

/* The first candidate that is not before that path; candidates are sorted by store, then path. */
static size_t lower_bound(const struct snapshot *s, size_t store, const char *path)
{
	size_t low = 0, high = s->n_candidates;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(&s->candidates[mid], store, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct candidate *find(const struct look *l, size_t store, const char *path)
{
	size_t at = lower_bound(l->s, store, path);

	return at < l->s->n_candidates && compare(&l->s->candidates[at], store, path) == 0
		       ? &l->s->candidates[at]
		       : NULL;
}

struct candidate *look_find(const struct look *l, const char *path)
{
	struct candidate *k = NULL;

	for (size_t i = 0; !k && i < l->s->n_stores; i++)
		if (path_below(path, l->s->stores[i].path))
			k = find(l, i, path);
	return k;
}

static int note(uint64_t **list, size_t *n, uint64_t number)
{
	if ((*n & (*n - 1)) == 0) { /* room doubles at powers of two */
		uint64_t *grown = reallocarray(*list, *n ? *n * 2 : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*list = grown;
	}
	(*list)[(*n)++] = number;
	return 0;
}

static int note_changed(struct look *l, const char *path)
{
	return note(&l->changed, &l->n_changed, look_hash(path));
}

/* Other names of the same file may be candidates, and nothing happened to those. */
static int note_linked(struct look *l, const struct file_facts *f)
{
	bool all = (l->doubt & DOUBT_ALL) != 0;

	return f->many_names && !f->followed && !all
		       ? note(&l->linked, &l->n_linked, f->signature.inode)
		       : 0;
}

static bool is_linked(const struct look *l, const struct file_facts *f)
{
	for (size_t i = 0; i < l->n_linked; i++)
		if (l->linked[i] == f->signature.inode)
			return true;
	return false;
}

static int add_fresh(struct look *l, struct candidate *made)
{
	if ((l->n_fresh & (l->n_fresh - 1)) == 0) {
		size_t room = l->n_fresh ? l->n_fresh * 2 : 1;
		struct candidate *grown = reallocarray(l->fresh, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->fresh = grown;
	}
	l->fresh[l->n_fresh++] = *made;
	*made = (struct candidate){0};
	return 0;
}

static int see_new(struct look *l, const struct dir *d, const struct facts_place *p)
{
	_cleanup_(candidate_done) struct candidate k = {.store = d->store};
	int r = name_parse(d->version, p->file, &k.name);

	if (r <= 0)
		return r;
	r = facts_look(p, FACTS_ANEW, &k.facts);
	if (r <= 0) /* FACTS_GONE */
		return r;
	k.path = strdup(p->path);
	if (!k.path)
		return -ENOMEM;
	k.file = k.path + strlen(k.path) - strlen(p->file);
	r = note_linked(l, &k.facts);
	return r < 0 ? r : add_fresh(l, &k);
}

/* One entry of a directory of candidates, which need not be there, nor be one. */
static int see_entry(struct look *l, const struct dir *d, int fd, const char *file,
		     enum facts_how how)
{
	struct facts_place p = {
		.root = l->o->root,
		.watch = l->o->watch,
		.dir_fd = fd,
		.dir_trust = &d->trust,
		.flags = l->flags,
		.file = file,
	};
	struct candidate *k;
	int r;

	l->path.len = 0;
	buf_add(&l->path, d->path);
	buf_add(&l->path, "/");
	buf_add(&l->path, file);
	if (l->path.failed)
		return -ENOMEM;
	p.path = l->path.data;
	k = find(l, d->store, p.path);
	if (!k) {
		r = see_new(l, d, &p);
	} else {
		r = facts_look(&p, how, &k->facts);
		k->stale = r == FACTS_GONE;
		k->libraries_known = k->libraries_known && r == FACTS_SAME;
		if (r == FACTS_SAME)
			return 0;
		if (r > 0)
			r = note_linked(l, &k->facts);
	}
	return r < 0 ? r : note_changed(l, p.path);
}

/* ---- directories ---- */

/* Marks what is known directly in a directory, and the file that might be in its place. */
static int doubt_candidates(struct look *l, const struct dir *d)
{
	struct candidate *k = find(l, d->store, d->path);
	size_t i;
	int r = 0;

	l->path.len = 0;
	buf_add(&l->path, d->path);
	buf_add(&l->path, "/");
	if (l->path.failed)
		return -ENOMEM;
	if (k) {
		k->stale = true;
		r = note_changed(l, k->path);
	}
	for (i = lower_bound(l->s, d->store, l->path.data); r >= 0 && i < l->s->n_candidates; i++) {
		const char *rest = path_below(l->s->candidates[i].path, d->path);

		if (l->s->candidates[i].store != d->store || !rest)
			break;
		l->s->candidates[i].stale = l->s->candidates[i].stale || !strchr(rest, '/');
	}
	return r;
}

/* Goes the way there, arming watches; d->error says how that ended. An fd or -errno. */
static int walk_dir(struct look *l, struct dir *d, int *ret_fd)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	struct watch *watch = l->o->watch;
	int r;

	if (watch)
		watch_begin(watch, d->subject);
	r = fs_walk(l->o->root, d->path, l->flags, watch ? watch_visit : NULL, watch, &w);
	if (r >= 0 && w.error == 0 && S_ISDIR(w.st.st_mode) && watch)
		r = watch_visit(watch, w.fd, d->path, NULL, true);
	if (r < 0)
		return r;
	if (watch)
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
		return look_is_fatal(fd) ? fd : 0; /* its own event tells */
	d->waits = fstatat(fd, d->version, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
	return see_entry(l, store, fd, d->version, FACTS_ANEW);
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
		r = doubt_candidates(l, &o->dirs[at]);
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
		if (look_is_fatal(r))
			return r;
		o->dirs[at].error = r < 0 ? -r : 0;
		r = 0;
	}
	for (char **n = names; r >= 0 && n && *n; n++) {
		/* o->dirs may move */
		int version = o->dirs[at].version ? 0 : name_is_version_dir(*n);

		r = version < 0   ? version
		    : version > 0 ? dirs_doubt_version(o, o->dirs[at].store, *n)
				  : see_entry(l, &o->dirs[at], fd, *n, how);
	}
	return r;
}

/* Is the directory the one that was walked to? Its descriptor, or -ESTALE. */
static int enter(const struct look *l, const struct dir *d)
{
	_cleanup_close_ int fd = root_open_path(l->o->root, d->path, O_PATH | O_DIRECTORY);
	struct stat st;

	if (look_is_fatal(fd))
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
		r = see_entry(l, d, fd, d->doubt.names[i], FACTS_ANEW);
	entries_clear(&d->doubt);
	return r;
}

/* Is it to be looked at though nothing happened to the entry itself? */
static bool is_open_question(const struct look *l, const struct candidate *k)
{
	return facts_are_unfinished(&k->facts) || is_linked(l, &k->facts) ||
	       (k->facts.followed && (l->doubt & DOUBT_TARGETS) != 0);
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
			    !is_open_question(l, k))
				continue;
			fd = fd >= 0 ? fd : enter(l, d);
			if (fd < 0) /* its own event tells */
				r = look_is_fatal(fd) ? fd : 0;
			else
				r = see_entry(l, d, fd, rest, FACTS_IF_CHANGED);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_fresh(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return compare(x, y->store, y->path);
}

static int drop_stale(struct look *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->s->n_candidates; i++) {
		struct candidate *k = &l->s->candidates[i];

		if (!k->stale) {
			if (n != i)
				l->s->candidates[n] = *k;
			n++;
			continue;
		}
		if (note_changed(l, k->path) < 0) {
			memmove(&l->s->candidates[n], k, (l->s->n_candidates - i) * sizeof(*k));
			l->s->n_candidates -= i - n;
			return -ENOMEM;
		}
		candidate_done(k);
	}
	l->s->n_candidates = n;
	return 0;
}

int look_merge(void **items, size_t *n_items, void *fresh, size_t n, size_t size,
	       int (*compare_items)(const void *, const void *))
{
	char *from = fresh, *all;
	size_t old = *n_items;

	if (n == 0)
		return 0;
	qsort(fresh, n, size, compare_items);
	all = reallocarray(*items, old + n, size);
	if (!all)
		return -ENOMEM;
	*items = all;
	*n_items = old + n;
	while (n > 0) { /* from behind, so that each moves once */
		if (old > 0 && compare_items(all + (old - 1) * size, from + (n - 1) * size) > 0) {
			memcpy(all + (old + n - 1) * size, all + (old - 1) * size, size);
			old--;
		} else {
			memcpy(all + (old + n - 1) * size, from + (n - 1) * size, size);
			n--;
		}
	}
	return 0;
}

static int merge_fresh(struct look *l)
{
	void *items = l->s->candidates;
	int r = look_merge(&items, &l->s->n_candidates, l->fresh, l->n_fresh, sizeof(*l->fresh),
			   compare_fresh);

	if (r < 0)
		return r;
	l->s->candidates = items;
	l->n_fresh = 0;
	return 0;
}

/* ---- stores ---- */

static int learn_stores(struct look *l)
{
	size_t n = strv_len(l->c->stores);
	bool same = n == l->s->n_stores;

	for (size_t i = 0; same && i < n; i++)
		same = strcmp(l->c->stores[i], l->s->stores[i].path) == 0;
	if (same && l->s->stores)
		return 0;
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

/* What the directories' errors mean for their store. Version directories that are none are
 * forgotten. */
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
		bool blind = o->watch && watch_is_blind(o->watch, o->dirs[i].subject);

		if (o->dirs[i].doubt.all || (l->doubt & DOUBT_ALL) || blind)
			r = see_dir(l, i);
		else if (o->dirs[i].doubt.n > 0)
			r = see_entries(l, i);
	}
	if (r >= 0 && !(l->doubt & DOUBT_ALL))
		r = see_unfinished(l);
	if (r >= 0)
		r = judge_dirs(l);
	if (r >= 0 && (l->n_changed > 0 || l->listed))
		r = drop_stale(l);
	if (r >= 0)
		r = merge_fresh(l);
	if (r < 0 || (l->n_changed == 0 && !l->listed && !o->unfinished))
		return r;
	o->unfinished = false;
	for (size_t i = 0; i < l->s->n_candidates && !o->unfinished; i++)
		o->unfinished = facts_are_unfinished(&l->s->candidates[i].facts);
	return 0;
}
