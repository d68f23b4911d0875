/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/rest.h"

#include "base/macro.h"
#include "sys/clock.h"

static int on_rested(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct rest *rest = userdata;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ELEMENTSOF(rest->asleep); i++) {
		sd_event_source *due = TAKE_PTR(rest->asleep[i]);

		if (due)
			r = sd_event_source_set_enabled(due, SD_EVENT_ON);
		if (due && r >= 0 && due == rest->once)
			r = rest->handler(due, -1, 0, rest->userdata);
	}
	return r;
}

int rest_init(struct rest *r, sd_event *loop, sd_event_source *once, sd_event_io_handler_t handler,
	      void *userdata)
{
	int k = sd_event_add_time(loop, &r->timer, CLOCK_MONOTONIC, USEC_INFINITY, 1, on_rested, r);

	r->once = once;
	r->handler = handler;
	r->userdata = userdata;
	return k < 0 ? k : sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
}

void rest_done(struct rest *r)
{
	r->timer = sd_event_source_disable_unref(r->timer);
}

int rest_is_over(struct rest *r, uint64_t due_usec, sd_event_source *s)
{
	size_t i = r->asleep[0] && r->asleep[0] != s;
	int k;

	if (clock_usec(CLOCK_MONOTONIC) >= due_usec)
		return 1;
	k = sd_event_source_set_enabled(s, SD_EVENT_OFF);
	if (k >= 0)
		k = sd_event_source_set_time(r->timer, due_usec);
	if (k < 0)
		return k;
	r->asleep[i] = s;
	return sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}
