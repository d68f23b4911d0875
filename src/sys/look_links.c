/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/look.h"

#include "base/str.h"

#include <fcntl.h>

static const struct candidate *find_candidate(const struct snapshot *s, const char *path)
{
	for (size_t store = 0; store < s->n_stores; store++) {
		size_t low = 0, high = s->n_candidates;

		if (!path_below(path, s->stores[store].path))
			continue;
		while (low < high) { /* sorted by store, then path */
			size_t mid = low + (high - low) / 2;
			const struct candidate *k = &s->candidates[mid];
			int c = k->store != store ? (k->store < store ? -1 : 1)
						  : strcmp(k->path, path);

			if (c == 0)
				return k;
			if (c < 0)
				low = mid + 1;
			else
				high = mid;
		}
	}
	return NULL;
}

/* What the entry leads to, from facts already learnt. */
static int take_target(struct link *l, const struct file_facts *f)
{
	l->dangling = !f->resolved && f->read_error == 0; /* not known is not gone */
	l->target_device = f->signature.device;
	l->target_inode = f->signature.inode;
	l->target_ctime_nsec = f->signature.ctime_nsec;
	return str_replace(&l->resolved, f->resolved) < 0 ||
			       str_replace(&l->identity, f->identity) < 0
		       ? -ENOMEM
		       : 0;
}

static bool is_below_store(const struct look *l, const char *target)
{
	for (char **store = l->c->stores; target && *store; store++)
		if (path_below(target, *store))
			return true;
	return false;
}

/* Who controls what is not ours: the entry itself, or all that a symlink leads over, dangling or
 * not (rule 12). A link to another entry of this directory is judged there. */
static int judge_entry(struct look *l, const struct stat *st, struct link *k)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_free_ char *path = NULL;
	const char *below;
	int r;

	if (k->kind == LINK_SYMLINK) {
		below = path_below(k->target, l->c->links);
		if (is_below_store(l, k->target) || (below && !strchr(below, '/')))
			return 0;
	}
	if (asprintf(&path, "%s/%s", l->c->links, k->kind == LINK_SYMLINK ? k->text : k->name) <
	    0) {
		path = NULL;
		return -ENOMEM;
	}
	if (k->kind != LINK_SYMLINK)
		return fs_judge(st, path, l->flags, &k->trust);
	r = fs_walk(l->o->root, *k->text == '/' ? k->text : path, l->flags, NULL, NULL, &w);
	k->trust = w.trust;
	w.trust = (struct trust_facts){0};
	return r;
}

int look_link(struct look *l, int dir_fd, const char *name, struct link *ret)
{
	_cleanup_(link_done) struct link k = {.kind = LINK_OTHER, .dangling = true};
	_cleanup_(file_facts_done) struct file_facts f = {0};
	const struct trust_facts fine = {0};
	const struct candidate *leads_to = NULL;
	struct stat st;
	int r = 0;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	k.name = strdup(name);
	if (!k.name)
		return -ENOMEM;
	k.inode = st.st_ino;
	k.ctime_nsec = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	if (S_ISLNK(st.st_mode)) {
		k.kind = LINK_SYMLINK;
		r = fs_readlink(dir_fd, name, &k.text);
		if (r == -ENOENT || r == -EINVAL)
			return 0; /* it moved under our eyes; its event brings us back */
		if (r >= 0)
			r = path_normalize(l->c->links, k.text, &k.target);
		if (r < 0)
			return r;
		leads_to = find_candidate(l->s, k.target);
	}
	if (leads_to) {
		r = take_target(&k, &leads_to->facts);
	} else {
		r = known_look(l->o->known, dir_fd, l->c->links, name, &fine, l->flags, &f);
		if (r > 0)
			r = take_target(&k, &f);
		if (r >= 0)
			r = judge_entry(l, &st, &k);
	}
	if (r < 0)
		return r;
	*ret = k;
	k = (struct link){0};
	return 1;
}

int look_add_link(struct links_facts *links, struct link *made)
{
	if ((links->n & (links->n - 1)) == 0) {
		size_t room = links->n ? links->n * 2 : 1;
		struct link *grown = reallocarray(links->items, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		links->items = grown;
	}
	links->items[links->n++] = *made;
	*made = (struct link){0};
	return 0;
}

/* Left behind by a pass that was killed: a temporary name of ours whose text is below a store. */
static bool is_leftover(const struct look *l, const struct link *k)
{
	return name_is_temporary(k->name) && k->kind == LINK_SYMLINK &&
	       is_below_store(l, k->target);
}

static int look_entries(struct look *l, int fd)
{
	struct links_facts *links = &l->s->links;
	_cleanup_strv_ char **names = NULL;
	int r = fs_list(fd, &names);

	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	if (r < 0) {
		links->state = LINKS_ERROR;
		links->error = -r;
		return 0;
	}
	for (char **n = names; n && *n; n++) {
		_cleanup_(link_done) struct link k = {0};

		r = look_link(l, fd, *n, &k);
		if (r > 0 && is_leftover(l, &k))
			r = strv_add(&links->leftovers, *n);
		else if (r > 0)
			r = look_add_link(links, &k);
		if (r < 0)
			return r;
	}
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

	return own && !strchr(own, '/') &&
	       fstatat(dir_fd, there ? "../services" : "services", &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == ENOENT;
}

int look_links(struct look *l)
{
	struct links_facts *links = &l->s->links;
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	int r = fs_walk(l->o->root, l->c->links, WALK_NOFOLLOW_LAST | WALK_OWN_WAY | l->flags,
			l->o->visit, l->o->userdata, &w);

	if (r >= 0)
		r = state_of(l, &w, &links->state);
	links->error = w.error;
	if (r < 0 || (links->state != LINKS_FINE && links->state != LINKS_MISSING))
		return r;
	/* The walk says the first that is not trusted: a parent is a finding, the directory our
	 * business. */
	if (w.trust.trust != TRUST_FINE &&
	    (links->state == LINKS_MISSING || !str_eq(w.trust.path, w.resolved))) {
		links->parents = w.trust;
		w.trust = (struct trust_facts){0};
	}
	links->services_missing = services_missing(l, w.fd);
	if (links->state == LINKS_MISSING)
		return 0;
	trust_facts_done(&w.trust);
	links->device = w.st.st_dev;
	links->inode = w.st.st_ino;
	r = fs_judge(&w.st, w.resolved, 0, &links->trust);
	if (r >= 0 && l->o->visit)
		r = l->o->visit(l->o->userdata, w.fd, l->c->links, NULL, true);
	return r < 0 ? r : look_entries(l, w.fd);
}
