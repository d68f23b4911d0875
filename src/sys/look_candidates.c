/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/look.h"

#include "base/sort.h"

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

const char *look_path(struct look *l, const char *dir, const char *file)
{
	l->path.len = 0;
	buf_add(&l->path, dir);
	buf_add(&l->path, "/");
	buf_add(&l->path, file);
	return l->path.failed ? NULL : l->path.data;
}

static int note(uint64_t **list, size_t *n, uint64_t number)
{
	if (GROW(*list, *n) < 0)
		return -ENOMEM;
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

/* Behind the sorted ones. */
static int add_fresh(struct look *l, struct candidate *made)
{
	if (GROW(l->s->candidates, l->s->n_candidates + l->n_fresh) < 0)
		return -ENOMEM;
	l->s->candidates[l->s->n_candidates + l->n_fresh++] = *made;
	*made = (struct candidate){0};
	return 0;
}

static int see_new(struct look *l, const struct dir *d, struct facts_place *p)
{
	_cleanup_(candidate_done) struct candidate k = {.store = d->store};
	int r = name_parse(d->version, p->file, &k.name);

	if (r <= 0)
		return r;
	p->path = k.path = strdup(p->path);
	if (!k.path)
		return -ENOMEM;
	r = facts_look(p, FACTS_ANEW, &k.facts);
	if (r <= 0) /* FACTS_GONE */
		return r;
	k.file = k.path + strlen(k.path) - strlen(p->file);
	r = note_linked(l, &k.facts);
	return r < 0 ? r : add_fresh(l, &k);
}

int look_entry(struct look *l, const struct dir *d, int fd, const char *file, enum facts_how how)
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

	p.path = look_path(l, d->path, file);
	if (!p.path)
		return -ENOMEM;
	k = find(l, d->store, p.path);
	if (!k) {
		r = see_new(l, d, &p);
	} else {
		p.path = k->path;
		r = facts_look(&p, how, &k->facts);
		k->stale = r == FACTS_GONE;
		k->libraries_known = k->libraries_known && r == FACTS_SAME;
		if (r == FACTS_SAME)
			return 0;
		if (r > 0)
			r = note_linked(l, &k->facts);
	}
	return r < 0 ? r : note_changed(l, l->path.data);
}

int look_doubt_entries(struct look *l, const struct dir *d)
{
	struct candidate *k = find(l, d->store, d->path);
	size_t i;
	int r = 0;

	if (!look_path(l, d->path, ""))
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

bool look_is_open_question(const struct look *l, const struct candidate *k)
{
	return facts_are_unfinished(&k->facts) || is_linked(l, &k->facts) ||
	       (k->facts.followed && (l->doubt & DOUBT_TARGETS) != 0);
}

static int compare_candidates(const void *a, const void *b, void *userdata _unused_)
{
	const struct candidate *x = a, *y = b;

	return compare(x, y->store, y->path);
}

int look_settle_candidates(struct look *l)
{
	struct candidate *list = l->s->candidates;
	size_t n = 0, all = l->s->n_candidates + l->n_fresh;
	int r = 0;

	if (l->n_changed == 0 && !l->listed && !l->o->unfinished)
		return 0;
	for (size_t i = 0; r >= 0 && i < l->s->n_candidates; i++)
		if (list[i].stale)
			r = note_changed(l, list[i].path);
	if (r < 0)
		return r;
	l->o->unfinished = false;
	for (size_t i = 0; i < all; i++) {
		if (list[i].stale) {
			candidate_done(&list[i]);
			continue;
		}
		if (n != i)
			list[n] = list[i];
		l->o->unfinished = l->o->unfinished || facts_are_unfinished(&list[n].facts);
		n++;
	}
	l->s->n_candidates = n;
	l->n_fresh = 0;
	sort_nearly(list, n, sizeof(*list), compare_candidates, NULL);
	return 0;
}
