/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/hold.h"

uint64_t hold_due_usec(const struct hold *h, uint64_t max_usec)
{
	if (h->state != HOLD_HOLDING || max_usec > UINT64_MAX - h->since_usec)
		return USEC_INFINITY;
	return h->since_usec + max_usec;
}

enum hold_news hold_see(struct hold *h, const struct lock_facts *lock, uint64_t max_usec,
			uint64_t now_usec)
{
	enum hold_state was = h->state;

	if (!lock->path) {
		h->state = HOLD_FREE;
		return was == HOLD_HOLDING ? HOLD_ENDS : HOLD_NO_NEWS;
	}
	/* One that we gave up on is not waited for again; the next one is. */
	if (was == HOLD_GAVE_UP && h->pid == lock->pid)
		return HOLD_NO_NEWS;
	if (was != HOLD_HOLDING) {
		*h = (struct hold){.state = HOLD_HOLDING, .since_usec = now_usec};
		if (max_usec > 0)
			return HOLD_BEGINS;
	}
	if (now_usec < hold_due_usec(h, max_usec))
		return HOLD_NO_NEWS;
	h->state = HOLD_GAVE_UP;
	h->pid = lock->pid;
	return max_usec > 0 ? HOLD_GIVES_UP : HOLD_NO_NEWS;
}
