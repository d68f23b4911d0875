/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/holder.h"

#include "core/wording.h"
#include "prog/log.h"
#include "sys/clock.h"
#include "sys/pkglock.h"

#define ASK_AGAIN_USEC (50 * USEC_PER_SEC / 1000)

int holder_init(struct holder *h, sd_event *loop, sd_event_time_handler_t look, void *userdata)
{
	int r = sd_event_add_time(loop, &h->timer, CLOCK_MONOTONIC, USEC_INFINITY, 1, look,
				  userdata);

	return r < 0 ? r : sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
}

void holder_done(struct holder *h)
{
	h->timer = sd_event_source_disable_unref(h->timer);
}

static int say(const struct holder *h, enum hold_news news)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	word_hold(&b, &h->lock, news);
	if (b.failed)
		return -ENOMEM;
	log_fields(news == HOLD_GIVES_UP ? LOG_WARNING : LOG_INFO, LOG_ID_HOLD, NULL, "%s",
		   buf_text(&b));
	return 0;
}

int holder_ask(struct holder *h, const struct root *root, uint64_t max_usec)
{
	struct lock_facts now = {0};
	enum hold_news news;
	uint64_t due;
	int r = pkglock_ask(root, &now);

	if (r < 0 && r != -EACCES)
		return r;
	if (r >= 0 && (now.path || !holder_holds(h)))
		h->lock = now;
	/* Not the loop's time: a pass may have lasted. */
	news = hold_see(&h->hold, &now, max_usec, clock_usec(CLOCK_MONOTONIC));
	if (news == HOLD_BEGINS)
		h->since_usec = clock_usec(CLOCK_REALTIME);
	r = news == HOLD_NO_NEWS ? 0 : say(h, news);
	due = hold_due_usec(&h->hold, max_usec);
	if (r >= 0 && due == USEC_INFINITY)
		return sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_time(h->timer, due);
	return r < 0 ? r : sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

int holder_ask_again(struct holder *h)
{
	int r;

	if (!holder_holds(h) || h->lock.pid != 0)
		return 0;
	r = sd_event_source_set_time_relative(h->timer, ASK_AGAIN_USEC);
	return r < 0 ? r : sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}
