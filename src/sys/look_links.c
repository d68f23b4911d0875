/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/look.h"

#include "base/sort.h"
#include "base/str.h"

#include <fcntl.h>

/* Is something that happens to it heard of? */
static bool is_watched(const struct look *l, const char *target)
{
	for (size_t i = 0; i < l->o->n_dirs; i++) {
		const char *rest = path_below(target, l->o->dirs[i].path);

		if (rest && !strchr(rest, '/'))
			return true;
	}
	return false;
}

/* What the entry leads to, from facts already learnt. */
static int take_target(struct link *l, const struct file_facts *f)
{
	l->dangling = !f->resolved && f->read_error == 0; /* not known is not gone */
	l->target_device = f->signature.device;
	l->target_inode = f->signature.inode;
	l->target_ctime_nsec = f->signature.ctime_nsec;
	if (l->resolved != l->target)
		free(l->resolved);
	l->resolved = str_eq(f->resolved, l->target) ? l->target : NULL;
	if (!l->resolved && str_replace(&l->resolved, f->resolved) < 0)
		return -ENOMEM;
	return str_replace(&l->identity, f->identity);
}

/* Follows what leads to no candidate. */
static int follow(struct look *l, int dir_fd, struct link *k)
{
	_cleanup_(file_facts_done) struct file_facts f = {0};
	_cleanup_close_ int fd = -EBADF;
	const struct trust_facts fine = {0};
	struct facts_place p = {
		.root = l->o->root,
		.watch = l->o->watch,
		.dir_fd = dir_fd,
		.dir_trust = &fine,
		.flags = l->flags,
		.file = k->name,
	};
	int r;

	if (k->target && is_watched(l, k->target)) {
		fd = root_open_path(l->o->root, k->target, O_PATH | O_NOFOLLOW);
		if (fd == -ENOENT)
			return 0;
	}
	p.path = look_path(l, l->c->links, k->name);
	if (!p.path)
		return -ENOMEM;
	k->followed = true;
	r = facts_look(&p, FACTS_ANEW, &f);
	return r <= 0 ? r : take_target(k, &f);
}

/* What a symlink says. 1, 0 if it moved under our eyes (its event brings us back), -errno. */
static int read_text(const struct look *l, int dir_fd, struct link *k)
{
	int r = fs_readlink(dir_fd, k->name, &k->text);

	if (r == -ENOENT || r == -EINVAL)
		return 0;
	if (r >= 0)
		r = path_normalize(l->c->links, k->text, &k->target);
	if (r >= 0 && strcmp(k->target, k->text) == 0) {
		free(k->target);
		k->target = k->text;
	}
	if (r >= 0)
		r = plan_claim_link(l->c, k);
	if (r < 0)
		return r;
	k->target_hash = look_hash(k->target);
	return 1;
}

/* One entry of the links directory: 1 and *ret filled, 0 if it is none (any more), -errno. */
static int look_link(struct look *l, int dir_fd, const char *name, struct link *ret)
{
	_cleanup_(link_done) struct link k = {.kind = LINK_OTHER, .dangling = true};
	const struct candidate *leads_to = NULL;
	struct stat st;
	int r;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	k.name = strdup(name);
	if (!k.name)
		return -ENOMEM;
	k.inode = st.st_ino;
	k.ctime_nsec = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	if (S_ISLNK(st.st_mode)) {
		k.kind = LINK_SYMLINK;
		r = read_text(l, dir_fd, &k);
		if (r <= 0)
			return r;
		leads_to = look_find(l, k.target);
	}
	r = leads_to ? take_target(&k, &leads_to->facts) : follow(l, dir_fd, &k);
	if (r >= 0 && !leads_to && !k.ours)
		r = facts_judge_entry(l->o->root, l->c->links, &st, l->flags, &k);
	if (r < 0)
		return r;
	*ret = k;
	k = (struct link){0};
	return 1;
}

/* Behind the sorted ones. */
static int add_fresh(struct look *l, struct link *made)
{
	struct links_facts *links = &l->s->links;

	if (GROW(links->items, links->n + l->n_fresh_links) < 0)
		return -ENOMEM;
	links->items[links->n + l->n_fresh_links++] = *made;
	*made = (struct link){0};
	return 0;
}

/* Left behind by a pass that was killed: a temporary name of ours whose text is below a store. */
static bool is_leftover(const struct link *k)
{
	return name_is_temporary(k->name) && k->ours;
}

static void forget_leftover(struct look *l, const char *name)
{
	char **to = l->s->links.leftovers;

	for (char **from = to; from && *from; from++) {
		if (strcmp(*from, name) == 0)
			free(*from);
		else
			*to++ = *from;
	}
	if (to)
		*to = NULL;
}

static struct link *find_link(const struct look *l, const char *name)
{
	return (struct link *)(uintptr_t)snapshot_find_link(l->s, name);
}

/* Brings one entry up to date, which need not be there. What it led to may be without a library
 * now: whoever took the link away may see more than we do. */
static int see_link(struct look *l, int dir_fd, const char *name)
{
	_cleanup_(link_done) struct link k = {0};
	struct link *old = find_link(l, name);
	struct candidate *led_to = old && old->target ? look_find(l, old->target) : NULL;
	int r = look_link(l, dir_fd, name, &k);

	if (r < 0)
		return r;
	if (led_to)
		led_to->libraries_known = false;
	if (r > 0 && is_leftover(&k)) {
		if (old)
			old->stale = true;
		return strv_has(l->s->links.leftovers, name)
			       ? 0
			       : strv_add(&l->s->links.leftovers, name);
	}
	if (r == 0 || !old) {
		if (old)
			old->stale = true;
		return r == 0 ? 0 : add_fresh(l, &k);
	}
	link_done(old);
	*old = k;
	k = (struct link){0};
	return 0;
}

static int compare_links(const void *a, const void *b, void *userdata _unused_)
{
	return strcmp(((const struct link *)a)->name, ((const struct link *)b)->name);
}

static void settle(struct look *l)
{
	struct links_facts *links = &l->s->links;
	size_t n = 0, all = links->n + l->n_fresh_links;

	for (size_t i = 0; i < all; i++) {
		if (links->items[i].stale)
			link_done(&links->items[i]);
		else if (n++ != i)
			links->items[n - 1] = links->items[i];
	}
	links->n = n;
	l->n_fresh_links = 0;
	sort_nearly(links->items, n, sizeof(*links->items), compare_links, NULL);
}

/* The entry as it was, if it is. */
static bool is_as_it_was(const struct look *l, int fd, const struct link *k)
{
	struct stat st;

	return !(l->doubt & DOUBT_FORGET) && !l->stores_anew && k->kind == LINK_SYMLINK &&
	       !k->followed && fstatat(fd, k->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == k->inode &&
	       (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec == k->ctime_nsec;
}

static int look_entries(struct look *l, int fd)
{
	struct links_facts *links = &l->s->links;
	_cleanup_strv_ char **names = NULL;
	int r = fs_list(fd, &names);

	if (fs_is_fatal(r))
		return r;
	strv_free(TAKE_PTR(links->leftovers));
	for (size_t i = 0; i < links->n; i++)
		links->items[i].stale = true;
	if (r < 0) {
		links->state = LINKS_ERROR;
		links->error = -r;
	}
	for (char **n = names; n && *n; n++) {
		struct link *old = find_link(l, *n);

		if (old && is_as_it_was(l, fd, old)) {
			old->stale = false;
			continue;
		}
		r = see_link(l, fd, *n);
		if (r < 0)
			return r;
	}
	settle(l);
	return 0;
}

/* Nothing is there: can it be made, or is not even its parent there? */
static int missing_state(const struct look *l, enum links_state *ret)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	const char *slash = strrchr(l->c->links, '/');
	_cleanup_free_ char *parent = strndup(l->c->links, (size_t)(slash - l->c->links));
	int r;

	if (!parent)
		return -ENOMEM;
	r = fs_walk(l->o->root, *parent ? parent : "/", WALK_OWN_WAY, NULL, NULL, &w);
	if (r < 0)
		return r;
	*ret = w.error == 0 && S_ISDIR(w.st.st_mode) ? LINKS_MISSING : LINKS_NO_PARENT;
	return 0;
}

static int state_of(const struct look *l, const struct walk *w, enum links_state *ret)
{
	*ret = LINKS_ERROR;
	if (w->error == ENOENT)
		return missing_state(l, ret);
	if (w->error == 0)
		*ret = S_ISLNK(w->st.st_mode)   ? LINKS_SYMLINK
		       : S_ISDIR(w->st.st_mode) ? LINKS_FINE
						: LINKS_NOT_DIR;
	else if (w->error == ENOTDIR)
		*ret = LINKS_NOT_DIR;
	else if (w->error == EPERM)
		*ret = LINKS_SYMLINK;
	return 0;
}

/* They belong together in vSMTP's own directory; `dir_fd` is what the walk reached. */
static bool services_missing(const struct look *l, int dir_fd)
{
	const char *own = path_below(l->c->links, "/etc/vsmtp");
	bool there = l->s->links.state == LINKS_FINE;
	struct stat st;

	/* The daemon does not watch it, and makes it only with the other. */
	return (!there || !l->o->watch) && own && !strchr(own, '/') &&
	       fstatat(dir_fd, there ? "../services" : "services", &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == ENOENT;
}

/* The whole directory, and the way there. */
static int look_directory(struct look *l)
{
	struct links_facts *links = &l->s->links;
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	struct watch *watch = l->o->watch;
	int r;

	l->moved = true;
	watch_begin(watch, WATCH_LINKS);
	r = watch_walk(watch, l->o->root, l->c->links, WALK_NOFOLLOW_LAST | WALK_OWN_WAY | l->flags,
		       &w);
	if (r >= 0)
		r = state_of(l, &w, &links->state);
	links->error = w.error;
	if (r < 0)
		return r;
	trust_facts_done(&links->parents);
	trust_facts_done(&links->trust);
	links->device = w.st.st_dev;
	links->inode = w.st.st_ino;
	/* The walk says the first that is not trusted: a parent is a finding, this is ours. */
	if (w.trust.trust != TRUST_FINE &&
	    (links->state == LINKS_MISSING ||
	     (links->state == LINKS_FINE && !str_eq(w.trust.path, w.resolved)))) {
		links->parents = w.trust;
		w.trust = (struct trust_facts){0};
	}
	links->services_missing = (links->state == LINKS_FINE || links->state == LINKS_MISSING) &&
				  services_missing(l, w.fd);
	if (links->state == LINKS_FINE) {
		r = fs_judge(&w.st, w.resolved, 0, &links->trust);
		if (r >= 0)
			r = watch_visit(watch, w.fd, l->c->links, NULL, true);
	}
	if (r < 0)
		return r;
	watch_end(watch, WATCH_LINKS);
	entries_clear(&l->o->links);
	if (links->state == LINKS_FINE)
		return look_entries(l, w.fd);
	strv_free(TAKE_PTR(links->leftovers));
	for (size_t i = 0; i < links->n; i++)
		links->items[i].stale = true;
	settle(l);
	return 0;
}

static bool is_changed(const struct look *l, uint64_t hash)
{
	return l->n_changed > 0 &&
	       bsearch(&hash, l->changed, l->n_changed, sizeof(*l->changed), str_hash_cmp);
}

static bool has_changed(const struct look *l, const struct link *k)
{
	return k->target && (is_changed(l, k->target_hash) ||
			     (k->followed && k->resolved && is_changed(l, look_hash(k->resolved))));
}

/* Links whose candidate's facts are others now need no look at the link itself. What leads to no
 * candidate may lead to something else now if a directory was read whole. */
static int doubt_by_candidates(struct look *l)
{
	int r = 0;

	if (l->n_changed > 1)
		qsort(l->changed, l->n_changed, sizeof(*l->changed), str_hash_cmp);
	for (size_t i = 0; r >= 0 && i < l->s->links.n; i++) {
		struct link *k = &l->s->links.items[i];
		const struct candidate *leads_to;

		if (!has_changed(l, k)) {
			if (((l->doubt & DOUBT_TARGETS) && k->followed) ||
			    (l->listed && (k->followed || k->dangling))) {
				k->followed = true;
				r = entries_add(&l->o->links, k->name);
			}
			continue;
		}
		leads_to = look_find(l, k->target);
		if (leads_to && !k->followed) {
			r = take_target(k, &leads_to->facts);
		} else {
			k->followed = true; /* it has to be */
			r = entries_add(&l->o->links, k->name);
		}
	}
	return r;
}

int look_links(struct look *l)
{
	struct observer *o = l->o;
	_cleanup_close_ int fd = -EBADF;
	struct stat st;
	int r = 0;

	if (l->n_changed > 0 || l->listed || (l->doubt & DOUBT_TARGETS))
		r = doubt_by_candidates(l);
	if (r < 0)
		return r;
	if (o->links.all || (l->doubt & DOUBT_ALL) || watch_is_blind(o->watch, WATCH_LINKS))
		return look_directory(l);
	if (o->links.n == 0)
		return 0;
	fd = root_open_path(o->root, l->c->links, O_PATH | O_DIRECTORY | O_NOFOLLOW);
	if (fs_is_fatal(fd))
		return fd;
	if (l->s->links.state != LINKS_FINE || fd < 0 || fstat(fd, &st) < 0 ||
	    st.st_dev != l->s->links.device || st.st_ino != l->s->links.inode)
		return look_directory(l);
	l->moved = true;
	entries_sort(&o->links);
	for (size_t i = 0; r >= 0 && i < o->links.n; i++) {
		forget_leftover(l, o->links.names[i]);
		r = see_link(l, fd, o->links.names[i]);
	}
	entries_clear(&o->links);
	if (r >= 0)
		settle(l);
	return r;
}
