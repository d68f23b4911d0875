/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's waiting for package managers (rule 17): asks, tells the journal, and keeps the one
 * timer that ends it. The wake-up at its normal end is the lock's own event.
 *
 * Knows: locks, the clock. Must not know: what is held back. Owns: its timer. */

#include "core/hold.h"
#include "sys/fs.h"
#include <systemd/sd-event.h>

struct holder {
	struct hold hold;
	struct lock_facts lock; /* as it was at the last question */
	uint64_t since_usec;    /* HOLDING: CLOCK_REALTIME, for people */
	sd_event_source *timer;
};

/* `look` is called when the waiting has lasted too long. 0 or -errno. */
int holder_init(struct holder *h, sd_event *loop, sd_event_time_handler_t look, void *userdata)
	_must_check_ _nonnull_(1, 2, 3);
void holder_done(struct holder *h);
/* Asks; the watch on the locks must be armed already. A lock that may not be asked about holds
 * nothing. 0 or -errno. */
int holder_ask(struct holder *h, const struct root *root, uint64_t max_usec)
	_must_check_ _nonnull_all_;
/* Called after an event that left it HOLDING: a lock without a process (of an open file) goes only
 * after its event, so it is asked about once more soon. 0 or -errno. */
int holder_ask_again(struct holder *h) _must_check_ _nonnull_all_;
static inline bool holder_holds(const struct holder *h)
{
	return h->hold.state == HOLD_HOLDING;
}
