/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The restart machine of the daemon: when to ask about what has changed. Pure; the time (any
 * monotonic clock, in microseconds) is handed in, so every path through it can be tested without a
 * clock.
 *
 *   IDLE --ask--> SETTLING --quiet for settle, or settle_max since the first--> WORKING --done-->
 * IDLE ^                                                            |
 *                    '---------- asked again meanwhile, or failed (back-off) -----'
 *
 * Its two measures, quiet and back-off, are also those of core/decide.
 *
 * Knows: time as a number. Must not know: clocks, units, files. Owns: nothing. */

#include "base/macro.h"
#include <stdbool.h>
#include <stdint.h>

enum restart_state {
	RESTART_IDLE,
	RESTART_SETTLING,
	RESTART_WORKING,
	RESTART_STATE_MAX,
};

enum restart_result {
	RESTART_RESULT_DONE,   /* nothing is left to do, unless asked again meanwhile */
	RESTART_RESULT_FAILED, /* try again later: back-off, doubled each time up to a bound */
	RESTART_RESULT_MAX,
};

struct restart {
	uint64_t settle_usec;
	uint64_t settle_max_usec;
	enum restart_state state;
	bool again;          /* asked while WORKING */
	unsigned failures;   /* in a row */
	uint64_t first_usec; /* of this SETTLING: the first and the last time it was asked */
	uint64_t last_usec;
	uint64_t not_before_usec; /* of the next work: spacing, or back-off */
};

#define RESTART_BACKOFF_FIRST_USEC (1 * USEC_PER_SEC)
#define RESTART_BACKOFF_MAX_USEC (60 * USEC_PER_SEC)

/* When a burst is quiet that was first and last seen then: `settle` after its last, `settle_max`
 * after its first at the latest. */
uint64_t restart_quiet_usec(const struct restart *m, uint64_t first_usec, uint64_t last_usec)
	_nonnull_all_;
/* How long to wait after so many failures in a row: 1 s, doubled up to 60 s; 0 after none. */
uint64_t restart_backoff_usec(unsigned failures);

/* A settle longer than settle_max counts as settle_max. */
void restart_init(struct restart *m, uint64_t settle_usec, uint64_t settle_max_usec) _nonnull_all_;
/* New times from a changed configuration; what is under way goes on. */
void restart_configure(struct restart *m, uint64_t settle_usec, uint64_t settle_max_usec)
	_nonnull_all_;
/* Something changed, or somebody wants it. */
void restart_ask(struct restart *m, uint64_t now_usec) _nonnull_all_;
/* SETTLING, and what was asked is no longer wanted: IDLE. The spacing stays. */
void restart_drop(struct restart *m) _nonnull_all_;
/* When to call restart_begin(): a time (maybe past), or USEC_INFINITY if nothing is to be done. */
uint64_t restart_due_usec(const struct restart *m) _nonnull_all_;
/* SETTLING and due: becomes WORKING and returns true. Otherwise false, and nothing changes. */
bool restart_begin(struct restart *m, uint64_t now_usec) _nonnull_all_;
/* WORKING ends. The spacing to the next work is settle_usec at least. */
void restart_end(struct restart *m, uint64_t now_usec, enum restart_result result) _nonnull_all_;
