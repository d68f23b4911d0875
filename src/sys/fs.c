/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/fs.h"

#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#define SYMLINKS_MAX 40

int root_open(const char *dir, struct root *ret)
{
	struct root r = ROOT_INIT;

	if (dir) {
		r.prefix = realpath(dir, NULL);
		if (!r.prefix)
			return -errno;
		if (strcmp(r.prefix, "/") == 0)
			free(TAKE_PTR(r.prefix));
	}
	r.fd = open(r.prefix ? r.prefix : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r.fd < 0) {
		int e = errno;

		free(r.prefix);
		return -e;
	}
	*ret = r;
	return 0;
}

void root_done(struct root *r)
{
	r->fd = fd_close(r->fd);
	free(TAKE_PTR(r->prefix));
}

int root_open_path(const struct root *r, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, r->fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

char *root_host_path(const struct root *r, const char *path)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char *text;

	buf_add(&b, r->prefix);
	buf_add(&b, path);
	return buf_take(&b, &text) < 0 ? NULL : text;
}

void walk_done(struct walk *w)
{
	w->fd = fd_close(w->fd);
	free(TAKE_PTR(w->resolved));
	trust_facts_done(&w->trust);
}

void fs_signature(const struct stat *st, struct signature *ret)
{
	*ret = (struct signature){
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_nsec = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
		.ctime_nsec = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.owner = st->st_uid,
	};
}

int fs_judge(const struct stat *st, const char *path, enum walk_flags flags, struct trust_facts *t)
{
	enum trust trust = TRUST_FINE;
	uid_t me = geteuid();

	if (st->st_mode & (S_IWGRP | S_IWOTH))
		trust = TRUST_WRITABLE;
	else if (!(flags & WALK_ANY_OWNER) && st->st_uid != 0 && st->st_uid != me)
		trust = TRUST_OWNER;
	if (trust == TRUST_FINE || t->trust != TRUST_FINE)
		return 0;
	t->path = strdup(*path ? path : "/");
	if (!t->path)
		return -ENOMEM;
	t->trust = trust;
	t->mode = st->st_mode;
	t->owner = st->st_uid;
	t->group = st->st_gid;
	return 0;
}

/* One walk under way: where it is, and what is left of the path. */
struct walker {
	const struct root *root;
	enum walk_flags flags;
	fs_visit_fn visit;
	void *userdata;
	struct walk at;
	char *rest;
	unsigned symlinks;
};

static void walker_done(struct walker *w)
{
	walk_done(&w->at);
	free(w->rest);
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

/* Cuts the next component off w->rest into `name`. False at the end. */
static bool walker_next(struct walker *w, char **name)
{
	char *p = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(p, "/");

	*name = strndup(p, n);
	memmove(w->rest, p + n, strlen(p + n) + 1);
	return n > 0;
}

static int walker_up(struct walker *w)
{
	char *slash = strrchr(w->at.resolved, '/');

	if (slash)
		*slash = 0;
	return walker_reenter(w);
}

/* A symlink: its text goes in front of what is left. */
static int walker_follow(struct walker *w, int link_fd)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	if (++w->symlinks > SYMLINKS_MAX) {
		w->at.error = ELOOP;
		return 0;
	}
	r = fs_readlink(link_fd, "", &text);
	if (r < 0) {
		w->at.error = -r;
		return 0;
	}
	buf_add(&b, text);
	buf_add(&b, "/");
	buf_add(&b, w->rest);
	free(TAKE_PTR(w->rest));
	r = buf_take(&b, &w->rest);
	if (r < 0)
		return r;
	if (text[0] == '/') {
		w->at.resolved[0] = 0;
		return walker_reenter(w);
	}
	return 0;
}

static bool walker_at_end(const struct walker *w)
{
	return w->rest[strspn(w->rest, "/")] == 0;
}

/* Takes fd over, also on failure. */
static int walker_descend(struct walker *w, int fd, const struct stat *st, const char *name)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	buf_add(&b, w->at.resolved);
	buf_add(&b, "/");
	buf_add(&b, name);
	free(TAKE_PTR(w->at.resolved));
	r = buf_take(&b, &w->at.resolved);
	fd_close(w->at.fd);
	w->at.fd = fd;
	w->at.st = *st;
	if (r < 0)
		return r;
	return fs_judge(st, w->at.resolved, w->flags, &w->at.trust);
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
		return w->at.error == EMFILE || w->at.error == ENFILE || w->at.error == ENOMEM
			       ? -w->at.error
			       : 0;
	if (S_ISLNK(st.st_mode) && !(walker_at_end(w) && (w->flags & WALK_NOFOLLOW_LAST)))
		return walker_follow(w, fd);
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

	w->rest = strdup(path);
	w->at.resolved = strdup("");
	if (!w->rest || !w->at.resolved)
		return -ENOMEM;
	r = walker_reenter(w);
	while (r >= 0 && w->at.error == 0) {
		_cleanup_free_ char *name = NULL;
		bool more = walker_next(w, &name);

		if (!name)
			return -ENOMEM;
		if (!more)
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

int fs_list(int dir_fd, char ***ret)
{
	_cleanup_strv_ char **names = NULL;
	size_t n = 0, room = 0;
	DIR *d;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), r = 0;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		fd_close(fd);
		return -ENOMEM;
	}
	for (;;) {
		const struct dirent *e;

		errno = 0;
		e = readdir(d);
		if (!e) {
			r = -errno;
			break;
		}
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (n + 2 > room) {
			char **grown;

			room = room ? room * 2 : 32;
			grown = reallocarray(names, room, sizeof(*names));
			if (!grown) {
				r = -ENOMEM;
				break;
			}
			names = grown;
		}
		names[n] = strdup(e->d_name);
		names[n + 1] = NULL;
		if (!names[n]) {
			r = -ENOMEM;
			break;
		}
		n++;
	}
	(void)closedir(d);
	if (r < 0)
		return r;
	strv_sort(names);
	*ret = TAKE_PTR(names);
	return 0;
}

int fs_readlink(int dir_fd, const char *name, char **ret)
{
	char text[PATH_MAX + 1];
	ssize_t n = readlinkat(dir_fd, name, text, sizeof(text) - 1);
	char *copy;

	if (n < 0)
		return -errno;
	copy = strndup(text, (size_t)n);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

int fs_read(const struct root *r, const char *path, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = root_open_path(r, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct stat st;
	size_t len;
	int k;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	for (;;) {
		char part[4096];
		ssize_t n = read(fd, part, sizeof(part));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if (b.len + (size_t)n > max)
			return -EFBIG;
		buf_add_len(&b, part, (size_t)n);
	}
	len = b.len;
	k = buf_take(&b, ret);
	if (k >= 0 && ret_len)
		*ret_len = len;
	return k;
}

/* Opens the directory of an absolute path; *ret_base points into path. */
static int open_parent(const struct root *r, const char *path, const char **ret_base)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = NULL;

	if (!slash || !slash[1])
		return -EINVAL;
	dir = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	if (!dir)
		return -ENOMEM;
	*ret_base = slash + 1;
	return root_open_path(r, dir, O_RDONLY | O_DIRECTORY);
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

int fs_write(const struct root *r, const char *path, const char *text, mode_t mode,
	     enum fs_write how)
{
	const char *base;
	_cleanup_close_ int dir = open_parent(r, path, &base), fd = -EBADF;
	char temporary[NAME_MAX + 1];
	int k;

	if (dir < 0)
		return dir;
	if (snprintf(temporary, sizeof(temporary), ".%.200s.%d", base, (int)getpid()) < 0)
		return -EINVAL;
	(void)unlinkat(dir, temporary, 0);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	k = write_all(fd, text);
	if (k >= 0 && fchmod(fd, mode) < 0)
		k = -errno;
	if (k >= 0 && how == FS_WRITE_DURABLE && fsync(fd) < 0)
		k = -errno;
	if (k >= 0 && renameat(dir, temporary, dir, base) < 0)
		k = -errno;
	if (k >= 0 && how == FS_WRITE_DURABLE && fsync(dir) < 0)
		k = -errno;
	if (k < 0)
		(void)unlinkat(dir, temporary, 0);
	return k;
}

int fs_mkdir(const struct root *r, const char *path)
{
	const char *base;
	_cleanup_close_ int dir = open_parent(r, path, &base);

	if (dir < 0)
		return dir;
	if (mkdirat(dir, base, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	return fchmodat(dir, base, 0755, 0) < 0 ? -errno : 0;
}

int fs_unlink(const struct root *r, const char *path)
{
	const char *base;
	_cleanup_close_ int dir = open_parent(r, path, &base);

	if (dir < 0)
		return dir;
	return unlinkat(dir, base, 0) < 0 ? -errno : 0;
}
