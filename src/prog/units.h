/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The units of the server, what each is owed, and what decide() says to that: one collection of
 * facts for the executor and for every verb.
 *
 * Knows: where the facts come from. Must not know: what is done about them.
 * Owns: struct units owns all it holds. */

#include "core/decide.h"
#include "prog/pass.h"
#include "sys/unit.h"

struct unit_next {
	struct unit_facts unit;
	struct decision next;
};

struct units {
	struct unit_next *items;
	size_t n;
	char *set; /* the loaded set of now */
	struct requests requests;
	struct starts starts;
	struct lock_facts lock; /* the package manager's that is at work ... */
	int lock_error;         /* ... or -EACCES: an ordinary user may not ask */
};

void units_done(struct units *u);
/* Whom to ask: manager NULL and error 0: there is none; else what keeps it from answering (-errno).
 */
struct units_source {
	struct unit_manager *manager;
	int error;
};
/* Reads all facts; a unit that is configured by two of its names is one. p must be as it is now. 0
 * or -errno. */
int units_read(const struct root *r, const struct pass *p, const struct units_source *from,
	       struct units *ret) _must_check_ _nonnull_all_;
/* The facts of number i, for decide(); who has memory fills in the rest. */
struct decide_facts units_facts(const struct units *u, const struct pass *p, size_t i)
	_nonnull_all_;
/* Both, and decides for who has no memory. 0 or -errno. */
int units_look(const struct root *r, const struct pass *p, const struct units_source *from,
	       struct units *ret) _must_check_ _nonnull_all_;
/* Is a reload owed to any of them, whether or not it may be done? */
bool units_owed(const struct units *u) _nonnull_all_;
