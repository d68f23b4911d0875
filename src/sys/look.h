/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One look under way; private to observe.c and look_*.c.
 * Owns: nothing; fills the snapshot it points to. */

#include "sys/known.h"
#include "sys/observe.h"

struct observer {
	const struct root *root;
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
/* One entry of the links directory: 1 and *ret filled, 0 if it is none (any more), -errno. */
int look_link(struct look *l, int dir_fd, const char *name, struct link *ret) _must_check_;
