/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One look under way; private to observe.c and look_*.c.
 *
 * A look brings the snapshot of the last one up to date. What is in doubt is marked stale, then
 * looked at; what is still stale at the end is gone.
 *
 * Owns: an observer owns its snapshot and directories; a look borrows them. */

#include "base/str.h"
#include "core/plan.h"
#include "sys/facts.h"
#include "sys/loader.h"
#include "sys/observe.h"
#include "sys/watch.h"

/* More entries than these, and the whole directory is in doubt. */
#define ENTRIES_MAX 4096

/* Which entries of a directory are in doubt. */
struct entries {
	bool all; /* the way there, too */
	char **names;
	size_t n;
	struct pool texts;
};

/* A store, or a version directory in it. */
struct dir {
	char *path;
	char *version; /* its name if it is a version directory */
	size_t store;
	unsigned subject; /* what its watches are for */
	int error;        /* errno: it could not be entered */
	bool waits;       /* a symlink that leads to no directory, as yet */
	uint64_t device;
	uint64_t inode;
	struct trust_facts trust;
	struct entries doubt;
};

enum doubt {
	DOUBT_SERVER = 1 << 0,
	DOUBT_NAMES = 1 << 1,
	DOUBT_NAMES_WAY = 1 << 2, /* and the way to the record */
	DOUBT_TARGETS = 1 << 3,
	DOUBT_LIBRARIES = 1 << 4,
	DOUBT_ALL = 1 << 5,
	DOUBT_FORGET = 1 << 6, /* no file is known by its signature */
};

struct observer {
	const struct root *root;
	enum server_flags flags;
	struct watch *watch; /* borrowed, NULL: every look is at everything */
	struct server_memory server;
	struct loader_memory loader;
	struct snapshot seen; /* the last look's; shared with who got it */
	struct dir *dirs;
	size_t n_dirs;
	unsigned next_subject;
	unsigned doubt; /* enum doubt */
	struct entries links;
	bool cache_watched; /* ld.so.cache(8), for libraries that are not found */
	bool unfinished;    /* a candidate has to be looked at again though nothing happens to it */
};

struct look {
	struct observer *o;
	const struct config *c;
	struct snapshot *s;
	enum walk_flags flags;
	unsigned doubt;
	size_t n_fresh;       /* candidates not seen before, unsorted behind the snapshot's own */
	size_t n_fresh_links; /* likewise */
	uint64_t *changed;    /* hashes of paths in stores whose facts may be others now */
	size_t n_changed;
	uint64_t *linked; /* inodes of what has several names: the others say so only now */
	size_t n_linked;
	bool libraries_checked;
	bool moved; /* some fact may be another now */
	bool stores_anew;
	bool listed; /* a directory of candidates was read whole */
	struct buf path;
};

void entries_clear(struct entries *e);
/* Names come in bursts: the last few are not noted twice. 0 or -ENOMEM. */
int entries_add(struct entries *e, const char *name) _must_check_;
/* Sorts, and drops what is there twice. */
void entries_sort(struct entries *e);

void dirs_done(struct observer *o);
/* The version directory of that name is in doubt; it may be new. 0 or -ENOMEM. */
int dirs_doubt_version(struct observer *o, size_t store, const char *version) _must_check_;

void look_done(struct look *l);
static inline uint64_t look_hash(const char *path)
{
	return str_hash(STR_HASH_INIT, path, strlen(path));
}
/* That entry's path, until the next one; NULL: no memory. */
const char *look_path(struct look *l, const char *dir, const char *file);
/* The candidate of that path, or NULL; they must be sorted. */
struct candidate *look_find(const struct look *l, const char *path);
/* One entry of a directory of candidates, which need not be there, nor be one. 0 or -errno. */
int look_entry(struct look *l, const struct dir *d, int fd, const char *file, enum facts_how how)
	_must_check_;
/* Marks what is known in a directory itself, and the file that may be in its place. 0, -ENOMEM. */
int look_doubt_entries(struct look *l, const struct dir *d) _must_check_;
/* Is it to be looked at though nothing happened to the entry itself? */
bool look_is_open_question(const struct look *l, const struct candidate *k);
/* Drops what is still marked, and puts what is new to its place. 0 or -ENOMEM. */
int look_settle_candidates(struct look *l) _must_check_;
/* Stores and candidates. 0 or -errno. */
int look_stores(struct look *l) _must_check_;
/* The links directory, after the stores; what it shows may put libraries in doubt. 0 or -errno. */
int look_links(struct look *l) _must_check_;
