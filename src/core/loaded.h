/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The loaded set, and whether a reload is owed (rule 18).
 *
 * The loaded set is what the server would load if it started now: for each entry of the links
 * directory that leads somewhere its name, what it resolves to and that file's identity, and the
 * program's identity. It is a text of one line each, sorted, names escaped, so that two sets are
 * equal exactly if their texts are. What an entry leads to may be hidden from who looks (a sandbox,
 * another user's directory): then its line says so, the same at each look, and differs from
 * nothing. The start hook records it under the unit's invocation id; owed means: the unit runs, and
 * that record differs from the set of now.
 *
 * Knows: snapshots and unit facts. Must not know: where records are kept, or how a reload is done.
 * Owns: nothing; results are the caller's to free. */

#include "base/macro.h"
#include "core/snapshot.h"

/* The text of the set that a full snapshot's links make. 0 or -ENOMEM. */
int loaded_set_make(const struct snapshot *s, char **ret) _must_check_ _nonnull_all_;
/* A short name of a set: 16 hexadecimal digits. */
#define LOADED_FINGERPRINT_SIZE 17
void loaded_fingerprint(const char *set, char ret[LOADED_FINGERPRINT_SIZE]) _nonnull_all_;

enum owed_why {
	OWED_NOTHING,     /* runs, and has loaded just this */
	OWED_NOT_RUNNING, /* not running: nothing can be owed */
	OWED_NOT_KNOWN,   /* the unit could not be asked about */
	OWED_SET_CHANGED, /* the record differs; detail names what */
	OWED_NEWER, /* no record of this start, and something is newer than it; detail names what */
	OWED_REQUESTED, /* a person wants this start of it replaced (core/decide finds that) */
	OWED_WHY_MAX,
};

const char *owed_why_to_string(enum owed_why w);

struct owed {
	enum owed_why why;
	char *detail; /* escaped names of what differs, or NULL */
};

void owed_done(struct owed *o);
static inline int owed_is(const struct owed *o)
{
	return o->why >= OWED_SET_CHANGED;
}

/* Did our start hook run at the last start? Where it did not, links may have been wrong at that
 * start, and what was loaded is a guess. */
enum hook_state {
	HOOK_RAN,     /* or the unit does not run, or is not known */
	HOOK_NOT_YET, /* it is there, and left no record: as when the kit came after that start */
	HOOK_MISSING, /* it is not among the unit's ExecStartPre= */
	HOOK_HIDDEN,  /* the unit has another root than ours, where it is not found */
	HOOK_FAILED,  /* it was passed over, or ended without a record */
	HOOK_STATE_MAX,
};

enum hook_state hook_find(const struct unit_facts *u) _nonnull_all_;

/* `set` is loaded_set_make() of the same snapshot. 0 or -ENOMEM. */
int owed_find(const struct unit_facts *u, const struct snapshot *s, const char *set,
	      struct owed *ret) _must_check_ _nonnull_all_;
