/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Rule 17, the waiting for package managers: whether to hold a pass, and when to give up. Pure;
 * what was seen and the time (any monotonic clock, in microseconds) are handed in.
 *
 *   FREE --held--> HOLDING --held for max--> GAVE_UP --held by another--> HOLDING
 *    ^                |                         |
 *    '--- nobody -----'-------------------------'
 *
 * The daemon has one, and the executor for what was asked from outside: the start hook, triggers and
 * a person never wait, for they may be called by the very holder.
 *
 * Knows: a lock and time as numbers. Must not know: clocks, files. Owns: nothing. */

#include "base/macro.h"
#include <stdbool.h>
#include <stdint.h>

struct lock_facts {
	const char *path; /* the lock that is held, NULL: nobody holds one */
	int pid;          /* its holder, 0 if not known */
	char command[64]; /* the holder's, empty if not known */
};

/* As a request remembers it: its pid, -1 if that is not known, 0 if nobody is at work. */
static inline int lock_holder(const struct lock_facts *l)
{
	return !l->path ? 0 : l->pid > 0 ? l->pid : -1;
}

enum hold_state {
	HOLD_FREE,
	HOLD_HOLDING,
	HOLD_GAVE_UP,
	HOLD_STATE_MAX,
};

/* What has changed by what was seen. */
enum hold_news {
	HOLD_NO_NEWS,
	HOLD_BEGINS,
	HOLD_ENDS,
	HOLD_GIVES_UP,
	HOLD_NEWS_MAX,
};

struct hold {
	enum hold_state state;
	uint64_t since_usec; /* HOLDING: since when */
	int pid;             /* GAVE_UP: on whom */
};

/* How the locks are now, and how long to wait at most. */
enum hold_news hold_see(struct hold *h, const struct lock_facts *lock, uint64_t max_usec,
			uint64_t now_usec) _nonnull_all_;
/* When to look again though nothing happened, or USEC_INFINITY. */
uint64_t hold_due_usec(const struct hold *h, uint64_t max_usec) _nonnull_all_;
