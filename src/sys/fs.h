/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files by descriptor. Every path the kit uses is one that the server would see; a struct root says
 * where that tree is (the host's own, or --root=DIR), and symlinks inside are resolved inside.
 *
 * Knows: system calls. Must not know: plugins, stores, links. Owns: a struct root owns its fd. */

#include "base/macro.h"
#include "core/snapshot.h"
#include <stdbool.h>
#include <sys/stat.h>

struct root {
	int fd;       /* O_PATH, the top of the tree */
	char *prefix; /* absolute path of it on the host, NULL for the host itself */
	/* Its /run is that of another root's process 1, mounted here: nothing is written there. */
	bool run_is_foreign;
};

#define ROOT_INIT ((struct root){.fd = -EBADF})

/* `dir` NULL: the host. Relative ones count from the working directory. 0 or -errno. */
int root_open(const char *dir, struct root *ret) _must_check_ _nonnull_(2);
void root_done(struct root *r);
static inline bool root_is_host(const struct root *r)
{
	return !r->prefix;
}

/* Opens an absolute path below the root (RESOLVE_IN_ROOT), O_CLOEXEC added. An fd or -errno. */
int root_open_path(const struct root *r, const char *path, int flags) _must_check_ _nonnull_all_;
/* As the host sees it: prefix and path in one text. NULL if out of memory. */
char *root_host_path(const struct root *r, const char *path) _nonnull_all_;

/* Called for each directory that a walk passes, before it looks for `next` in it (NULL: the walk
 * ends here), to arm watches (rule 16). `next_moves`: next is missing or a symlink, so the answer
 * can change by what happens in this directory; else only by the directory itself going away. */
typedef int (*fs_visit_fn)(void *userdata, int dir_fd, const char *dir_path, const char *next,
			   bool next_moves);

struct walk {
	int fd;         /* O_PATH of the last component that was reached */
	char *resolved; /* its path after symlinks, as the server sees it */
	int error;      /* 0: arrived; ENOENT, ENOTDIR, ELOOP, EACCES, EPERM (WALK_OWN_WAY)... */
	struct stat st; /* of fd */
	struct trust_facts trust; /* the first component that is not trusted, itself included */
};

void walk_done(struct walk *w);
#define WALK_INIT ((struct walk){.fd = -EBADF})

enum walk_flags {
	WALK_NOFOLLOW_LAST = 1 << 0, /* a symlink as the last component is not followed */
	WALK_ANY_OWNER = 1 << 1,     /* RequireRootOwned=no: only write bits are judged */
	WALK_OWN_WAY = 1 << 2,       /* no symlink of others, or in a directory of others: EPERM */
};

/* Goes from the root to `path` component by component, judging each (rule 12); visit may be NULL.
 * 0 (look at ret->error) or -errno if the walk itself could not be done (ENOMEM, EMFILE). */
int fs_walk(const struct root *r, const char *path, enum walk_flags flags, fs_visit_fn visit,
	    void *userdata, struct walk *ret) _must_check_ _nonnull_(1, 2, 6);
/* Judges one file's owner and mode bits. 0 or -ENOMEM; fills *t only if it is not trusted. */
int fs_judge(const struct stat *st, const char *path, enum walk_flags flags, struct trust_facts *t)
	_must_check_ _nonnull_all_;
void fs_signature(const struct stat *st, struct signature *ret) _nonnull_all_;
/* Of what a path leads to; empty if that is nothing. 0 or -errno (ENOMEM, EMFILE...). */
int fs_sign(const struct root *r, const char *path, struct signature *ret)
	_must_check_ _nonnull_all_;
/* Does an error say that we could not look, and not what is there? */
static inline bool fs_is_fatal(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

/* Entry names of a directory descriptor, sorted, without `.` and `..`. 0 or -errno. */
int fs_list(int dir_fd, char ***ret) _must_check_ _nonnull_(2);
/* The text of a symlink. 0 or -errno. */
int fs_readlink(int dir_fd, const char *name, char **ret) _must_check_ _nonnull_(2, 3);
/* A whole small file, at most `max` bytes (-EFBIG if more), opened non-blocking, regular files only
 * (-EMEDIUMTYPE). *ret is terminated; *ret_len does not count that. 0 or -errno. */
int fs_read(const struct root *r, const char *path, size_t max, char **ret, size_t *ret_len)
	_must_check_ _nonnull_(1, 2, 4);
/* Replaces a small file whole or not at all: temporary file, fsync, rename, fsync of the directory
 * (`durable` only). The directory must exist. 0 or -errno. */
enum fs_write {
	FS_WRITE_VOLATILE,
	FS_WRITE_DURABLE,
};
int fs_write(const struct root *r, const char *path, const char *text, mode_t mode,
	     enum fs_write how) _must_check_ _nonnull_all_;
/* Makes one directory (and not its parents), 0755 whatever the umask. 0 (also if it is there) or
 * -errno. Whoever works in it opens and judges it first: another may lie there by then. */
int fs_mkdir(const struct root *r, const char *path) _must_check_ _nonnull_all_;
/* The same in a directory that is held (O_PATH will do). 0, -EEXIST or -errno. */
int fs_mkdir_at(int dir_fd, const char *name) _must_check_ _nonnull_all_;
/* The directory that is held becomes ours, 0755, as far as we may. Owner and mode are changed by
 * descriptor and in this file only: a path may lead elsewhere by then. 0 or -errno. */
int fs_take_over(int dir_fd) _must_check_;
int fs_unlink(const struct root *r, const char *path) _must_check_ _nonnull_all_;
