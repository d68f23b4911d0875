/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/fs.h"

#include "base/str.h"

#include <fcntl.h>

#define SYMLINKS_MAX 40

void walk_done(struct walk *w)
{
	w->fd = fd_close(w->fd);
	free(TAKE_PTR(w->resolved));
	trust_facts_done(&w->trust);
}

/* One walk under way: where it is, and what is left of the path. */
struct walker {
	const struct root *root;
	enum walk_flags flags;
	fs_visit_fn visit;
	void *userdata;
	struct walk at;
	char *path; /* taken to pieces */
	char *rest; /* in it */
	unsigned symlinks;
};

static void walker_done(struct walker *w)
{
	walk_done(&w->at);
	free(w->path);
}

/* Enters the directory that w->at.resolved names: the root, or where a `..` or symlink leads. */
static int walker_reenter(struct walker *w)
{
	int fd = root_open_path(w->root, *w->at.resolved ? w->at.resolved : "/",
				O_PATH | O_NOFOLLOW);

	if (fd < 0)
		return fd;
	fd_close(w->at.fd);
	w->at.fd = fd;
	if (fstat(fd, &w->at.st) < 0)
		return -errno;
	return fs_judge(&w->at.st, w->at.resolved, w->flags, &w->at.trust);
}

/* Cuts the next component off what is left; empty at the end. */
static const char *walker_next(struct walker *w)
{
	char *name = w->rest + strspn(w->rest, "/"), *end = name + strcspn(name, "/");

	w->rest = *end ? end + 1 : end;
	*end = 0;
	return name;
}

static bool walker_at_end(const struct walker *w)
{
	return w->rest[strspn(w->rest, "/")] == 0;
}

static int walker_up(struct walker *w)
{
	char *slash = strrchr(w->at.resolved, '/');

	if (slash)
		*slash = 0;
	return walker_reenter(w);
}

/* `before`/`behind` instead of *text, which may be one of them. */
static int put_together(char **text, const char *before, const char *behind)
{
	char *made;

	if (asprintf(&made, "%s/%s", before, behind) < 0)
		return -ENOMEM;
	free(*text);
	*text = made;
	return 0;
}

/* A symlink: its text goes in front of what is left. */
static int walker_follow(struct walker *w, int link_fd)
{
	_cleanup_free_ char *text = NULL;
	int r = ++w->symlinks > SYMLINKS_MAX ? -ELOOP : fs_readlink(link_fd, "", &text);

	if (r < 0) {
		w->at.error = -r;
		return fs_is_fatal(r) ? r : 0;
	}
	r = put_together(&w->path, text, w->rest);
	if (r < 0)
		return r;
	w->rest = w->path;
	if (text[0] != '/')
		return 0;
	w->at.resolved[0] = 0;
	return walker_reenter(w);
}

/* Takes fd over, also on failure. */
static int walker_descend(struct walker *w, int fd, const struct stat *st, const char *name)
{
	int r = put_together(&w->at.resolved, w->at.resolved, name);

	fd_close(w->at.fd);
	w->at.fd = fd;
	w->at.st = *st;
	return r < 0 ? r : fs_judge(st, w->at.resolved, w->flags, &w->at.trust);
}

/* Looks one name up without following it; on failure the walk's error is set. */
static int walker_look(struct walker *w, const char *name, struct stat *ret_st)
{
	int fd = openat(w->at.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, ret_st) < 0)
		fd = fd_close(fd);
	w->at.error = fd < 0 ? errno : 0;
	return fd < 0 ? -1 : fd;
}

/* May the symlink be followed? One in a directory of others leads wherever they want. */
static bool is_own_way(const struct walker *w, const struct stat *link)
{
	return !(w->flags & WALK_OWN_WAY) || (w->at.trust.trust == TRUST_FINE &&
					      (link->st_uid == 0 || link->st_uid == geteuid()));
}

static int walker_step(struct walker *w, const char *name)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st = {0};
	int r;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0)
		return walker_up(w);
	fd = walker_look(w, name, &st);
	if (w->visit) {
		bool moves = fd < 0 || !S_ISDIR(st.st_mode);

		r = w->visit(w->userdata, w->at.fd, *w->at.resolved ? w->at.resolved : "/", name,
			     moves);
		if (r < 0)
			return r;
		if (moves) { /* it may have come, or gone, before the watch was there */
			fd = fd_close(fd);
			fd = walker_look(w, name, &st);
		}
	}
	if (fd < 0)
		return fs_is_fatal(-w->at.error) ? -w->at.error : 0;
	if (S_ISLNK(st.st_mode) && !(walker_at_end(w) && (w->flags & WALK_NOFOLLOW_LAST))) {
		if (!is_own_way(w, &st)) {
			w->at.error = EPERM;
			return 0;
		}
		return walker_follow(w, fd);
	}
	r = walker_descend(w, TAKE_FD(fd), &st, name);
	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode) && !walker_at_end(w))
		w->at.error = ENOTDIR;
	return 0;
}

static int walk_once(struct walker *w, const char *path)
{
	int r;

	w->rest = w->path = strdup(path);
	w->at.resolved = strdup("");
	if (!w->path || !w->at.resolved)
		return -ENOMEM;
	r = walker_reenter(w);
	while (r >= 0 && w->at.error == 0) {
		const char *name = walker_next(w);

		if (!*name)
			break;
		r = walker_step(w, name);
	}
	return r;
}

int fs_walk(const struct root *root, const char *path, enum walk_flags flags, fs_visit_fn visit,
	    void *userdata, struct walk *ret)
{
	uint64_t last_inode = 0;

	/* With watches: once to arm them, and again until it leads to the same place, so that
	 * nothing that moved before its watch was there is missed. */
	for (unsigned round = 0;; round++) {
		_cleanup_(walker_done) struct walker w = {
			.root = root,
			.flags = flags,
			.visit = visit,
			.userdata = userdata,
			.at = WALK_INIT,
		};
		int r = walk_once(&w, path);

		if (r < 0)
			return r;
		if (!visit || round >= 5 || (round > 0 && w.at.st.st_ino == last_inode)) {
			*ret = w.at;
			w.at = WALK_INIT;
			return 0;
		}
		last_inode = w.at.st.st_ino;
	}
}
