/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/fs.h"

#include "base/str.h"
#include "sys/booted.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

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
	r.run_is_foreign = root_is_host(&r) && booted_run_is_foreign();
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
	long fd;

	/* On the host there is nothing to stay inside of; and RestrictSUIDSGID= of our own units
	 * takes openat2(2) away (ENOSYS), for its flags lie where seccomp cannot look. */
	if (root_is_host(r))
		fd = open(path, flags | O_CLOEXEC);
	else
		fd = syscall(SYS_openat2, r->fd, path, &how, sizeof(how));
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

int fs_sign(const struct root *r, const char *path, struct signature *ret)
{
	_cleanup_close_ int fd = root_open_path(r, path, O_PATH);
	struct stat st;

	*ret = (struct signature){0};
	if (fd >= 0 && fstat(fd, &st) == 0)
		fs_signature(&st, ret);
	return fs_is_fatal(fd) ? fd : 0;
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

static void closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

int fs_list(int dir_fd, char ***ret)
{
	_cleanup_close_ int fd =
		openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	_cleanup_strv_ char **names = NULL;
	const struct dirent *e;
	size_t n = 0, room = 0;

	if (!d)
		return -errno;
	(void)TAKE_FD(fd); /* d's by now */
	for (errno = 0; (e = readdir(d)); errno = 0) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (n + 2 > room) {
			char **grown;

			room = room ? room * 2 : 32;
			grown = reallocarray(names, room, sizeof(*names));
			if (!grown)
				return -ENOMEM;
			names = grown;
		}
		names[n] = strdup(e->d_name);
		if (!names[n])
			return -ENOMEM;
		names[++n] = NULL;
	}
	if (errno != 0)
		return -errno;
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

	if (r->run_is_foreign && str_after(path, "/run/"))
		return -EROFS;
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

	int k = dir < 0 ? dir : fs_mkdir_at(dir, base);

	return k == -EEXIST ? 0 : k;
}

int fs_mkdir_at(int dir_fd, const char *name)
{
	mode_t before = umask(022);
	int k = mkdirat(dir_fd, name, 0755) < 0 ? -errno : 0;

	(void)umask(before);
	return k;
}

int fs_take_over(int dir_fd)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() && fchown(dir_fd, geteuid(), getegid()) < 0)
		return -errno;
	return fchmod(dir_fd, 0755) < 0 ? -errno : 0;
}

int fs_unlink(const struct root *r, const char *path)
{
	const char *base;
	_cleanup_close_ int dir = open_parent(r, path, &base);

	if (dir < 0)
		return dir;
	return unlinkat(dir, base, 0) < 0 ? -errno : 0;
}

int fs_rename(const struct root *r, const char *path, const char *name)
{
	const char *base;
	_cleanup_close_ int dir = open_parent(r, path, &base);

	if (dir < 0)
		return dir;
	return renameat(dir, base, dir, name) < 0 || fsync(dir) < 0 ? -errno : 0;
}
