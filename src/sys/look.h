/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One look under way; private to observe.c and look_*.c.
 * Owns: nothing; fills the snapshot it points to. */

#include "sys/known.h"
#include "sys/observe.h"

/* What the last full look saw, by plugin: where to look when a name of it is heard of. */
struct world_item {
	char *key;
	char *name;    /* a candidate's file, or a link */
	char *version; /* a candidate's version directory, or NULL */
	size_t store;  /* WORLD_LINK for a link */
};

#define WORLD_LINK SIZE_MAX
#define WORLD_RECENT_MAX 64

struct world {
	bool valid;
	enum server_state server_state;
	char *server_version;
	struct world_item *items; /* sorted by key up to n_sorted, then as they came */
	size_t n;
	size_t n_sorted;
	char **foreign; /* names of foreign entries */
};

struct observer {
	const struct root *root;
	struct world world;
	enum server_flags flags;
	struct known *known;
	struct server_memory *server;
	fs_visit_fn visit;
	void *userdata;
};

struct look {
	struct observer *o;
	const struct config *c;
	struct snapshot *s;
	enum walk_flags flags;
};

/* A store, or a version directory in it. */
struct look_dir {
	int fd;
	char *path;
	char *version; /* its name if it is a version directory */
	size_t store;
	int error; /* errno: it could not be entered */
	struct trust_facts trust;
};

void look_dir_done(struct look_dir *d);
int look_open_dir(struct look *l, size_t store, const char *version, struct look_dir *ret)
	_must_check_;
/* Adds the candidate that a directory entry is, if it is one. 0 or -errno. */
int look_candidate(struct look *l, const struct look_dir *d, const char *file) _must_check_;
int look_stores(struct look *l) _must_check_;
int look_server(struct look *l) _must_check_;
/* The links directory; the candidates must be sorted. 0 or -errno. */
int look_links(struct look *l) _must_check_;
/* Learns the world from a full snapshot. 0 or -ENOMEM. */
int world_learn(struct world *w, const struct config *c, const struct snapshot *s) _must_check_;
void world_done(struct world *w);
/* Notes what came since. 1, 0 if there is no room (a full look is due), -ENOMEM. */
int world_note(struct world *w, const struct world_item *item) _must_check_;
/* Index of the first sorted item of a key. */
size_t world_first(const struct world *w, const char *key);
int look_add_link(struct links_facts *links, struct link *made) _must_check_;
/* One entry of the links directory: 1 and *ret filled, 0 if it is none (any more), -errno. */
int look_link(struct look *l, int dir_fd, const char *name, struct link *ret) _must_check_;
