/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's rest: events that come too early wait. No look begins sooner after the last one than
 * that one took, so a burst is few looks, and a world that takes long to look at leaves the
 * processor to others.
 *
 * Knows: event sources and the clock. Must not know: what they wake. Owns: its timer. */

#include "base/macro.h"
#include <systemd/sd-event.h>

struct rest {
	sd_event_source *timer;
	sd_event_source *asleep[2]; /* borrowed: what the timer turns on again */
	sd_event_source *once;      /* borrowed, may be NULL; see rest_init() */
	sd_event_io_handler_t handler;
	void *userdata;
};

/* `once` is a source that tells of an event once (poll(2) of the mount table): its handler is called
 * when it may wake again, for the kernel will not say it a second time. 0 or -errno. */
int rest_init(struct rest *r, sd_event *loop, sd_event_source *once, sd_event_io_handler_t handler,
	      void *userdata) _must_check_ _nonnull_(1, 2, 4);
void rest_done(struct rest *r);
/* Called by a source's handler: is it time? 1; 0: the source sleeps until then; -errno. */
int rest_is_over(struct rest *r, uint64_t due_usec, sd_event_source *s) _must_check_ _nonnull_all_;
