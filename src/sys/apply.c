/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/apply.h"

#include "base/str.h"
#include "sys/state.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>

#define PUT_BACK_TRIES 16

struct applier {
	const struct root *root;
	const struct config *c;
	int fd; /* the links directory */
	struct outcome out;
	int unrecorded; /* names could not be written down: errno */
	bool changed;
};

/* Nobody else has it, as far as chance goes; if somebody has, the change is made by the next pass. */
static int temporary_name(char *name, size_t size)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	unsigned char random[6];
	char text[sizeof(random) + 1] = "";

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		text[i] = letters[random[i] % (sizeof(letters) - 1)];
	return snprintf(name, size, NAME_TEMPORARY_PREFIX "%s", text) < (int)size ? 0 : -EINVAL;
}

/* Is the entry `name` what the plan had seen? Text and inode are compared: a link that somebody
 * made anew in between is theirs to be looked at again. */
static bool is_as_seen(int fd, const char *name, const struct link *seen)
{
	char text[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != seen->inode)
		return false;
	n = readlinkat(fd, name, text, sizeof(text));
	return n >= 0 && (size_t)n == strlen(seen->text) &&
	       memcmp(text, seen->text, (size_t)n) == 0;
}

static ino_t inode_of(int fd, const char *name)
{
	struct stat st;

	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_ino;
}

/* Puts back what was not the plan's to replace: it lies under `name`, and `placed` (an inode) in
 * its place. If somebody took that place meanwhile, his is the newest: it goes back instead, and
 * what it supersedes goes, as it would have without us. */
static int put_back(int fd, const char *name, const char *place, ino_t placed)
{
	for (unsigned i = 0; i < PUT_BACK_TRIES; i++) {
		ino_t next = inode_of(fd, name);

		if (renameat2(fd, name, fd, place, RENAME_EXCHANGE) < 0) {
			if (errno != ENOENT)
				return -errno; /* what is foreign stays, under whatever name */
			return renameat2(fd, name, fd, place, RENAME_NOREPLACE) < 0 ? -errno
										    : -ESTALE;
		}
		if (inode_of(fd, name) == placed)
			return unlinkat(fd, name, 0) < 0 ? -errno : -ESTALE;
		placed = next;
	}
	return -ESTALE;
}

/* Some file systems know no flags of renameat2(2): then what is there is looked at right before. 1 (no
 * temporary name is left), or -errno. */
static int replace_plainly(const struct applier *a, const struct plan_link *p, const char *name)
{
	if (!is_as_seen(a->fd, p->name, p->seen))
		return -ESTALE;
	return renameat(a->fd, name, a->fd, p->name) < 0 ? -errno : 1;
}

/* Exchanges the new link with the old one and looks at what came out: at every instant the name
 * leads to the old or the new target, and what was not the plan's to replace goes back. */
static int replace_link(const struct applier *a, const struct plan_link *p)
{
	char name[64];
	ino_t made;
	int r = temporary_name(name, sizeof(name));

	if (r >= 0 && symlinkat(p->text, a->fd, name) < 0)
		r = -errno;
	if (r < 0)
		return r;
	made = inode_of(a->fd, name);
	if (renameat2(a->fd, name, a->fd, p->name, RENAME_EXCHANGE) < 0)
		r = errno == EINVAL   ? replace_plainly(a, p, name)
		    : errno == ENOENT ? -ESTALE
				      : -errno;
	else if (!is_as_seen(a->fd, name, p->seen))
		return put_back(a->fd, name, p->name, made);
	if (unlinkat(a->fd, name, 0) < 0 && r == 0)
		r = -errno;
	return MIN(r, 0);
}

/* Takes the link aside, looks at what it got, and then only removes it. */
static int remove_link(const struct applier *a, const struct plan_link *p)
{
	char name[64];
	int r = temporary_name(name, sizeof(name));

	if (!is_as_seen(a->fd, p->name, p->seen))
		return -ESTALE;
	if (r >= 0 && renameat2(a->fd, p->name, a->fd, name, RENAME_NOREPLACE) < 0)
		r = errno == ENOENT ? -ESTALE : -errno;
	if (r == -EINVAL) /* no flags here: it was looked at right before */
		return unlinkat(a->fd, p->name, 0) < 0 ? -errno : 0;
	if (r < 0)
		return r;
	if (!is_as_seen(a->fd, name, p->seen))
		return renameat2(a->fd, name, a->fd, p->name, RENAME_NOREPLACE) < 0 ? -errno
										    : -ESTALE;
	return unlinkat(a->fd, name, 0) < 0 ? -errno : 0;
}

static void add_change(struct applier *a, const struct plan_link *p, int result)
{
	a->out.changes[a->out.n_changes++] = (struct change){
		.action = p->action,
		.result = result >= 0                              ? CHANGE_DONE
			  : result == -ESTALE || result == -EEXIST ? CHANGE_MOVED
								   : CHANGE_FAILED,
		.error = result < 0 ? -result : 0,
		.restored = p->restored,
		.renamed = p->renamed,
		.name = p->name,
		.key = p->key,
		.text = p->text,
		.was = p->seen ? p->seen->text : NULL,
		.why = p->reason ? gate_to_string(p->reason->gate) : NULL,
	};
}

static void apply_link(struct applier *a, const struct plan_link *p)
{
	int r = 0;

	/* Not the planner's word alone: what is not below a store is nobody's to touch. */
	if (p->seen && p->action != LINK_CREATE && !plan_link_is_ours(a->c, p->seen))
		return;
	if (a->unrecorded && (p->named || p->renamed))
		r = -a->unrecorded;
	else if (p->action == LINK_CREATE)
		r = symlinkat(p->text, a->fd, p->name) < 0 ? -errno : 0;
	else if (p->action == LINK_REPLACE)
		r = replace_link(a, p);
	else if (p->action == LINK_REMOVE)
		r = remove_link(a, p);
	else
		return;
	a->changed = true;
	add_change(a, p, r);
}

/* Removes what a killed pass left, if it still is that. */
static int sweep(struct applier *a, char *const *leftovers)
{
	for (; leftovers && *leftovers; leftovers++) {
		_cleanup_free_ char *text = NULL, *target = NULL;
		int r = fs_readlink(a->fd, *leftovers, &text);

		if (r >= 0)
			r = path_normalize(a->c->links, text, &target);
		if (r == -ENOMEM)
			return r;
		for (char **store = a->c->stores; r >= 0 && *store; store++)
			if (path_below(target, *store) && unlinkat(a->fd, *leftovers, 0) == 0) {
				a->out.n_swept++;
				a->changed = true;
				break;
			}
	}
	return 0;
}

/* Holds the directory at the path, whose way must not lead over symlinks of others. An fd (O_PATH)
 * or -errno. */
static int hold_directory(const struct root *r, const char *path, struct stat *ret_st)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	int k = fs_walk(r, path, WALK_OWN_WAY | WALK_NOFOLLOW_LAST, NULL, NULL, &w);

	if (k < 0)
		return k;
	if (w.error != 0)
		return -w.error;
	if (!S_ISDIR(w.st.st_mode))
		return -ENOTDIR;
	*ret_st = w.st;
	return TAKE_FD(w.fd);
}

/* Its owner may have put another in the place of what was made: only one that is ours, closed to
 * others and empty is taken for it. */
static int check_fresh(int fd)
{
	_cleanup_strv_ char **names = NULL;
	struct stat st;
	int k = fs_list(fd, &names);

	if (k < 0)
		return k;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
			       strv_len(names) == 0
		       ? 0
		       : -ESTALE;
}

/* The parent may be a symlink of root's, so it is held, too. An fd or -errno. */
static int make_directory(const struct applier *a)
{
	_cleanup_free_ char *parent = NULL;
	_cleanup_close_ int dir = -EBADF, fd = -EBADF;
	const char *base = strrchr(a->c->links, '/') + 1;
	struct stat st;
	int k;

	if (asprintf(&parent, "%.*s.", (int)(base - a->c->links), a->c->links) < 0) {
		parent = NULL;
		return -ENOMEM;
	}
	dir = hold_directory(a->root, parent, &st);
	if (dir < 0)
		return dir;
	k = fs_mkdir_at(dir, base);
	if (k < 0)
		return k == -EEXIST ? -ESTALE : k;
	fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	k = fd < 0 ? -errno : check_fresh(fd);
	return k < 0 ? k : TAKE_FD(fd);
}

/* The directory that was looked at and no other. An fd or -errno. */
static int open_seen(const struct applier *a, const struct links_facts *seen)
{
	struct stat st;
	_cleanup_close_ int held = hold_directory(a->root, a->c->links, &st);
	int fd;

	if (held < 0)
		return held;
	if (st.st_dev != seen->device || st.st_ino != seen->inode)
		return -ESTALE;
	fd = openat(held, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A courtesy to who reads the documents; the daemon's sandbox does not let it. */
static void make_services(const struct applier *a)
{
	_cleanup_close_ int parent = openat(a->fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (parent >= 0)
		(void)!fs_mkdir_at(parent, "services");
}

/* Makes, opens and takes over the links directory. 1: go on, 0: nothing can be done. */
static int enter_directory(struct applier *a, const struct links_facts *seen,
			   enum plan_directory wanted)
{
	int k = 0;

	a->out.directory = wanted;
	if (wanted == PLAN_DIRECTORY_REFUSED || wanted == PLAN_DIRECTORY_NO_PARENT ||
	    (wanted == PLAN_DIRECTORY_FINE && seen->state != LINKS_FINE))
		return 0;
	a->fd = wanted == PLAN_DIRECTORY_MAKE ? make_directory(a) : open_seen(a, seen);
	if (a->fd < 0) {
		a->out.directory_error = -a->fd;
		return 0;
	}
	if (wanted == PLAN_DIRECTORY_TAKE_OVER)
		k = fs_take_over(a->fd);
	a->out.directory_error = k < 0 ? -k : 0;
	if (seen->services_missing)
		make_services(a);
	return 1;
}

/* The names as they have to be on record before any link is changed (rule 14). A name that could
 * not be written down is not given; but a link to what does not fit goes even if its name is lost. */
static int write_names_first(struct applier *a, const struct snapshot *s, const struct plan *p)
{
	struct remembered_names first = {0};
	int r = plan_names_first(p, s, &first);

	if (r >= 0)
		r = state_write_names(a->root, &first);
	remembered_names_done(&first);
	a->out.names_error = r < 0 ? -r : 0;
	a->out.names_written |= r >= 0;
	a->unrecorded = a->out.names_error;
	return r == -ENOMEM ? r : 0;
}

int apply(const struct root *r, const struct config *c, const struct snapshot *s,
	  const struct plan *p, struct outcome *ret)
{
	struct applier a = {.root = r, .c = c, .fd = -EBADF, .unrecorded = s->names.error};
	int k = 0;

	if (p->directory != PLAN_DIRECTORY_LEFT && !plan_is_idle(p, s)) {
		a.out.changes = calloc(p->n_links + 1, sizeof(*a.out.changes));
		k = !a.out.changes ? -ENOMEM : p->names_first ? write_names_first(&a, s, p) : 0;
		if (k >= 0 && enter_directory(&a, &s->links, p->directory)) {
			for (size_t i = 0; i < p->n_links; i++)
				apply_link(&a, &p->links[i]);
			k = sweep(&a, s->links.leftovers);
			if (a.changed && fsync(a.fd) < 0)
				a.out.sync_error = errno;
		}
		if (k >= 0 && p->names_changed && !a.out.names_error) {
			a.out.names_error = -state_write_names(a.root, &p->names);
			a.out.names_written |= a.out.names_error == 0;
		}
		fd_close(a.fd);
	}
	*ret = a.out;
	return k;
}
