/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is said of a pass: to the journal each change, whoever made it; by the daemon each condition
 * once when it appears, and to the manager and `status` one line of state.
 *
 * Knows: wording, log, the status file. Must not know: when. Owns: struct report owns what it said.
 */

#include "base/macro.h"
#include "core/hold.h"
#include "prog/pass.h"

/* What a pass changed, and what failed at it. 0 or -ENOMEM. */
enum report_where {
	REPORT_LOG,     /* where all messages go */
	REPORT_JOURNAL, /* by who shows changes itself: they go to the journal and nowhere else */
	REPORT_ERRORS,  /* below another root, whose journal this is not: no changes at all */
};
int report_changes(const struct pass *p, enum report_where where) _must_check_ _nonnull_all_;

struct report {
	uint64_t *
		said; /* hashes of the conditions that hold, sorted: each is logged when it comes */
	size_t n_said;
	char *status; /* last status line */
	char *file;   /* last text of the status file */
};

void report_done(struct report *r);
/* Logs what is new since the last pass that was not held. 0 or -ENOMEM. */
int report_pass(struct report *r, const struct pass *p) _must_check_ _nonnull_all_;

/* The state in one line for the service manager and the status file. */
struct report_state {
	int watch_error;    /* errno of the limit that makes the daemon look by the clock, or 0 */
	const char *reload; /* what is known of the reload, or NULL */
	const struct lock_facts *held; /* the lock that the daemon waits for, or NULL */
	uint64_t held_since_usec;      /* CLOCK_REALTIME */
};
int report_state(struct report *r, const struct root *root, const struct pass *p,
		 const struct report_state *state) _must_check_ _nonnull_all_;
