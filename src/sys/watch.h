/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* inotify and the mount table: has anything happened where we look? Events never say what is true
 * (rule 16); at most they say which name in which directory to look at first.
 *
 * One inotify descriptor of our own, read whole at each wake-up, so that a burst is one pass:
 * sd-event's inotify sources hand over one event for each turn of the loop.
 *
 * A directory is watched in one of two ways: for all that happens to its entries, or only for
 * itself going away and for some names in it (a missing or symlinked component of a path).
 *
 * Knows: directories and names. Must not know: what they mean. Owns: struct watch owns its fds. */

#include "base/macro.h"
#include "sys/fs.h"

struct watch;

/* 0 or -errno; -EMFILE: the limit fs.inotify.max_user_instances is reached. */
int watch_new(const struct root *root, struct watch **ret) _must_check_ _nonnull_all_;
struct watch *watch_free(struct watch *w);
int watch_fd(const struct watch *w) _nonnull_all_;        /* readable: call watch_read() */
int watch_mounts_fd(const struct watch *w) _nonnull_all_; /* priority event: watch_mounts_moved() */

/* Brackets the arming of all watches; those not armed again in between are dropped at the end. */
void watch_begin(struct watch *w) _nonnull_all_;
void watch_end(struct watch *w) _nonnull_all_;
/* An fs_visit_fn: arms one directory. `next` NULL: for all entries. Userdata is the struct watch.
 * A limit that is reached is remembered (watch_limited), not an error. 0 or -ENOMEM. */
int watch_visit(void *userdata, int dir_fd, const char *dir_path, const char *next,
		bool next_moves);
/* errno of the limit that kept a directory from being watched in the last round: ENOSPC
 * (fs.inotify.max_user_watches), or 0. */
int watch_limited(const struct watch *w) _nonnull_all_;

/* A name in a directory that is watched for all its entries. */
struct watch_name {
	const char *dir; /* as it was visited; valid until the next watch_begin() */
	char *name;
};

struct watch_news {
	bool look; /* a full look is needed */
	struct watch_name *names;
	size_t n;
};

void watch_news_done(struct watch_news *n);
#define WATCH_NAMES_MAX 256
/* Drains what the kernel has. 0 or -errno. */
int watch_read(struct watch *w, struct watch_news *ret) _must_check_ _nonnull_all_;
/* Did a mount come or go above or below a watched directory since the last call? 1, 0, -errno. */
int watch_mounts_moved(struct watch *w) _must_check_ _nonnull_all_;
