/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* inotify and the mount table: has anything happened where we look? Events never say what is true
 * (rule 16); they say whose facts are in doubt.
 *
 * One inotify descriptor of our own, read whole at each wake-up, so that a burst is one pass:
 * sd-event's inotify sources hand over one event for each turn of the loop.
 *
 * Every directory on the way to something is watched for the sake of that something, its subject:
 * for all that happens to its entries (the way ends there), for one name in it (a component that is
 * missing, or a symlink, or a file), or only for itself going away.
 *
 * Knows: directories, names and the numbers of subjects. Must not know: what they mean. Owns:
 * struct watch owns its fds. */

#include "base/macro.h"
#include "sys/fs.h"

struct watch;

/* 0 or -errno; -EMFILE: the limit fs.inotify.max_user_instances is reached. */
int watch_new(const struct root *root, struct watch **ret) _must_check_ _nonnull_all_;
struct watch *watch_free(struct watch *w);
int watch_fd(const struct watch *w) _nonnull_all_;        /* readable: call watch_read() */
int watch_mounts_fd(const struct watch *w) _nonnull_all_; /* priority event: watch_mounts_moved() */

/* What is watched for whose sake. */
enum watch_subject {
	WATCH_CONFIG,
	WATCH_LOCKS,
	WATCH_SERVER,
	WATCH_LIBRARIES,
	WATCH_NAMES,
	WATCH_LINKS,
	WATCH_TARGETS, /* what symlinks lead to */
	WATCH_STORES,  /* and all numbers above: one for each directory of candidates */
};

/* Where one is expected below, NULL is none: nothing is watched then. */

/* Brackets the arming of all that one subject needs; what is not armed again in between is dropped
 * at the end. */
void watch_begin(struct watch *w, unsigned subject);
void watch_end(struct watch *w, unsigned subject);
/* Arms for another subject from now on; returns the one before. */
unsigned watch_turn(struct watch *w, unsigned subject);
/* An fs_visit_fn: arms one directory. `next` NULL: for all entries. Userdata is the struct watch.
 * A limit that is reached is remembered (watch_limited), not an error. 0 or -ENOMEM. */
int watch_visit(void *userdata, int dir_fd, const char *dir_path, const char *next,
		bool next_moves);
/* fs_walk(), arming each directory on the way. */
int watch_walk(struct watch *w, const struct root *r, const char *path, enum walk_flags flags,
	       struct walk *ret) _must_check_ _nonnull_(2, 3, 5);
/* errno of the limit that keeps a directory from being watched: ENOSPC
 * (fs.inotify.max_user_watches), or 0. */
int watch_limited(const struct watch *w) _nonnull_all_;
/* Is something that the subject depends on not watched, for whatever reason? */
bool watch_is_blind(const struct watch *w, unsigned subject);
/* Did a path lead to another directory when it was armed for one subject, so that others that pass
 * it may have missed something? Asked once. */
bool watch_has_shifted(struct watch *w);

/* Something happened: to an entry of a directory that is watched for all of them (name), or to the
 * way to the subject (NULL). 0 or -errno. */
typedef int (*watch_news_fn)(void *userdata, unsigned subject, const char *dir, const char *name);
/* Drains what the kernel has. 1: events were lost; 0; -errno, also what `tell` returned. */
int watch_read(struct watch *w, watch_news_fn tell, void *userdata) _must_check_ _nonnull_(1, 2);
/* Did a mount come or go above or below a watched directory since the last call? 1, 0, -errno. */
int watch_mounts_moved(struct watch *w) _must_check_ _nonnull_all_;
