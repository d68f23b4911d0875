/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kit keeps outside the links directory: the lock, the last reload's result, the daemon's
 * status (in the run directory, gone with a reboot), and the names that plugins had (state
 * directory). What is remembered of units is in sys/record, what is asked for in sys/asked.
 *
 * Knows: those files' places and form. Must not know: what any of them leads to. Owns: nothing. */

#include "base/macro.h"
#include "core/snapshot.h"
#include "sys/fs.h"

#define STATE_RUN_DIR "/run/vsmtp-plugind"
#define STATE_VAR_DIR "/var/lib/vsmtp-plugind"
#define STATE_FILE_NAMES "names" /* in the state directory; likewise, if it was damaged: */
#define STATE_FILE_NAMES_DAMAGED "names.damaged"
#define STATE_NAMES STATE_VAR_DIR "/" STATE_FILE_NAMES

/* Makes the run directory (and with --root what leads to it) if it is not there and may be ours;
 * the state directory likewise. Sweeps both. 0 or -errno. */
int state_prepare(const struct root *r) _must_check_ _nonnull_all_;

/* Removes the temporary files (fs_write) of processes that are no more. */
void state_sweep(const struct root *r) _nonnull_all_;

/* Who holds a lock: pid 0 if that is not known. */
struct lock_holder {
	int pid;
	char command[16]; /* comm, as proc(5) has it */
};

/* Takes the one lock that serialises passes (rule 15). Returns an fd whose closing lets go;
 * -ETIMEDOUT after limit_usec, *ret_holder says over whom; -EINTR if SIGTERM or SIGINT is blocked
 * and pending; -errno. */
int state_lock(const struct root *r, uint64_t limit_usec, struct lock_holder *ret_holder)
	_must_check_ _nonnull_all_;

/* Of each there is one at most: the daemon of the tree, and the executor. */
enum state_role {
	STATE_ROLE_DAEMON,
	STATE_ROLE_EXECUTOR,
	STATE_ROLE_MAX,
};
enum state_wait {
	STATE_WAIT, /* for another one's end */
	STATE_WAIT_NOT,
};
/* Makes this process that one. An fd to keep, -EBUSY if there is one already, -errno. */
int state_take_role(const struct root *r, enum state_role role, enum state_wait wait)
	_must_check_ _nonnull_all_;
/* Its pid, or 0 if there is none; -EACCES if this user may not know, but of the daemon. */
int state_role_pid(const struct root *r, enum state_role role) _nonnull_all_;

/* Names. A record that cannot be read is a fact (ret->error). 0 or -ENOMEM. */
int state_read_names(const struct root *r, struct remembered_names *ret) _must_check_ _nonnull_all_;
int state_write_names(const struct root *r, const struct remembered_names *n)
	_must_check_ _nonnull_all_;

/* An inotify descriptor (non-blocking) that is readable when something came into that directory. An
 * fd or -errno. */
int state_watch(const struct root *r, const char *directory) _must_check_ _nonnull_all_;

/* Links have changed: the file "generation" holds a number that grows, for anybody's path unit. The
 * caller holds the lock. 0 or -errno. */
int state_count_change(const struct root *r) _must_check_ _nonnull_all_;

/* Is the directory at that path on a mount that is read-only to this process (in its own
 * namespace)? 1 or 0; one that cannot be opened is not. */
int state_directory_read_only(const struct root *r, const char *path) _must_check_ _nonnull_all_;

/* A text that is another for another directory at that path, or for none: inode and birth time,
 * since inodes are used again. 0 or -ENOMEM. */
int state_directory_key(const struct root *r, const char *path, char **ret)
	_must_check_ _nonnull_all_;

/* Small texts of KEY=VALUE lines (values escaped), for `status`: the daemon's word and the last
 * reload. A file that is not there: *ret is NULL. 0 or -errno. */
int state_write_text(const struct root *r, const char *file, const char *text)
	_must_check_ _nonnull_all_;
int state_read_text(const struct root *r, const char *file, char **ret) _must_check_ _nonnull_all_;
#define STATE_FILE_DAEMON "daemon"
#define STATE_FILE_EXECUTOR "executor.lock"
#define STATE_FILE_STATUS "status"
#define STATE_FILE_GENERATION "generation"
#define STATE_FILE_LAST_RELOAD "last-reload"
#define STATE_FILE_NEW_DIRECTORY "new-directory"
