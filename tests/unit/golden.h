/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Worlds as text: configuration and snapshot from lines that a person can write, and a plan as the
 * same kind of lines. tests/golden/README says what the lines mean.
 *
 * Knows: the core's data. Must not know: files, cmocka.
 * Owns: a world owns everything in it; results are the caller's to free. */

#include "core/plan.h"

struct world {
	struct config config;
	struct snapshot snapshot;
	struct candidate *others; /* files in a store that are no candidates */
	size_t n_others;
	char *expect;      /* the plan as the text says it, without comments */
	char *error;       /* the line that could not be understood, or NULL */
	struct pool texts; /* what remembered names borrow */
};

void world_done(struct world *w);
#define _cleanup_world_ _cleanup_(world_done)

/* 0, -EINVAL (w->error is set), -ENOMEM. */
int world_parse(const char *text, struct world *w) _must_check_ _nonnull_all_;
int world_print_plan(const struct world *w, const struct plan *p, char **ret)
	_must_check_ _nonnull_all_;
/* What the links directory will be once the plan was applied: changes the world's links and names,
 * after which the plan must not be used any more. 0 or -ENOMEM. */
int world_project(struct world *w, const struct plan *p) _must_check_ _nonnull_all_;
/* Has the name's texts live as long as the world. 0 or -ENOMEM. */
int world_keep_name(struct world *w, struct remembered *m) _must_check_ _nonnull_all_;
/* The text with its fact lines in another order, which depends on the seed. 0 or -ENOMEM. */
int world_shuffle(const char *text, unsigned seed, char **ret) _must_check_ _nonnull_all_;
/* The text without its fact line number n (from 0), and that line. 0, -ENOENT, -ENOMEM. */
int world_without(const char *text, size_t n, char **ret, char **ret_line)
	_must_check_ _nonnull_all_;
/* Adds fact lines to a world that has its configuration: a part of world_parse(). */
int world_read_facts(struct world *w, const char *lines) _must_check_ _nonnull_all_;
