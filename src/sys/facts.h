/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Facts of one file. A file whose signature is what it was when its facts were learnt is not opened
 * again, unless that look could not be the last word on it: somebody was writing, a read failed, or
 * its times were younger than their grain (rule 13).
 *
 * Knows: one directory entry at a time. Must not know: stores, names, links. Owns: nothing. */

#include "base/macro.h"
#include "core/snapshot.h"
#include "sys/fs.h"

struct watch;

/* Where the entry is. */
struct facts_place {
	const struct root *root;
	struct watch *watch; /* told of where symlinks lead (WATCH_TARGETS); NULL: nobody */
	int dir_fd;          /* its directory, taken with O_PATH or for reading */
	const struct trust_facts *dir_trust;
	enum walk_flags flags;
	const char *path; /* the entry's, as the server sees it: the facts borrow it */
	const char *file; /* its name */
};

enum facts_how {
	FACTS_IF_CHANGED,
	FACTS_IF_IN_DOUBT, /* and if a change might have left its times as they are */
	FACTS_ANEW,        /* something happened to it */
};

enum facts_news {
	FACTS_GONE,
	FACTS_SAME,
	FACTS_CHANGED,
};

/* Brings *f, what is known of the entry so far (nothing: zeroes), up to date. A symlink is followed
 * and what it leads to is judged. An enum facts_news, or -errno; then *f is as it was. */
int facts_look(const struct facts_place *p, enum facts_how how, struct file_facts *f)
	_must_check_ _nonnull_all_;
/* Is what is known not the last word, though nothing may happen to the file any more? */
bool facts_are_unfinished(const struct file_facts *f) _nonnull_all_;
/* May any of them change without an event? By another name of it (inotify tells the directory of
 * the name that was used), or within the grain of its times. */
bool facts_any_wait_for_the_clock(const struct snapshot *s) _nonnull_all_;
/* Can its times be as they were though it was changed: are they younger than their grain? */
bool facts_are_young(const struct signature *s, int64_t now_nsec) _nonnull_all_;

/* Who controls an entry of the links directory that is not ours (rule 12): the entry itself, or all
 * that a symlink leads over, dangling or not. Fills k->trust. 0 or -errno. */
int facts_judge_entry(const struct root *r, const char *links, const struct stat *st,
		      enum walk_flags flags, struct link *k) _must_check_ _nonnull_all_;

/* Does a refused lease mean a writer, on a file system of that type (statfs(2))? Those of networks
 * answer EAGAIN to each: that says nothing (rule 13). */
bool facts_leases_tell(uint64_t type);
