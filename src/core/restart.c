/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/restart.h"

#include <limits.h>

/* Times near the end of the range stay there instead of starting over at zero. */
static uint64_t add_usec(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t restart_backoff_usec(unsigned failures)
{
	uint64_t wait = failures > 0 ? RESTART_BACKOFF_FIRST_USEC : 0;

	for (unsigned i = 1; i < failures && wait < RESTART_BACKOFF_MAX_USEC; i++)
		wait *= 2;
	return MIN(wait, RESTART_BACKOFF_MAX_USEC);
}

void restart_init(struct restart *m, uint64_t settle_usec, uint64_t settle_max_usec)
{
	*m = (struct restart){.state = RESTART_IDLE};
	restart_configure(m, settle_usec, settle_max_usec);
}

void restart_configure(struct restart *m, uint64_t settle_usec, uint64_t settle_max_usec)
{
	/* Else the spacing after one work could keep the next away for longer than settle_max. */
	m->settle_usec = MIN(settle_usec, settle_max_usec);
	m->settle_max_usec = settle_max_usec;
}

void restart_ask(struct restart *m, uint64_t now_usec)
{
	bool first = m->state == RESTART_IDLE || (m->state == RESTART_WORKING && !m->again);

	if (first)
		m->first_usec = now_usec;
	m->last_usec = now_usec;

	/* What is asked while working may be about something that this work has already passed. */
	if (m->state == RESTART_WORKING)
		m->again = true;
	else
		m->state = RESTART_SETTLING;
}

void restart_drop(struct restart *m)
{
	if (m->state != RESTART_SETTLING)
		return;
	m->state = RESTART_IDLE;
}

uint64_t restart_quiet_usec(const struct restart *m, uint64_t first_usec, uint64_t last_usec)
{
	return MIN(add_usec(last_usec, m->settle_usec), add_usec(first_usec, m->settle_max_usec));
}

uint64_t restart_due_usec(const struct restart *m)
{
	if (m->state != RESTART_SETTLING)
		return USEC_INFINITY;
	return MAX(restart_quiet_usec(m, m->first_usec, m->last_usec), m->not_before_usec);
}

bool restart_begin(struct restart *m, uint64_t now_usec)
{
	if (m->state != RESTART_SETTLING || now_usec < restart_due_usec(m))
		return false;
	m->state = RESTART_WORKING;
	m->again = false;
	return true;
}

void restart_end(struct restart *m, uint64_t now_usec, enum restart_result result)
{
	uint64_t wait = m->settle_usec;

	if (m->state != RESTART_WORKING)
		return;

	if (result == RESTART_RESULT_FAILED) {
		if (m->failures < UINT_MAX)
			m->failures++;
		wait = MAX(wait, restart_backoff_usec(m->failures));
	} else
		m->failures = 0;
	m->not_before_usec = add_usec(now_usec, wait);

	/* Asked meanwhile: first and last are those requests' own times. */
	if (!m->again)
		m->first_usec = m->last_usec = now_usec;
	m->state = m->again || result != RESTART_RESULT_DONE ? RESTART_SETTLING : RESTART_IDLE;
	m->again = false;
}
