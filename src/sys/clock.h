/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The time, in microseconds, in one place.
 * Knows: clocks. Must not know: what for. Owns: nothing. */

#include "base/macro.h"
#include <stdint.h>
#include <time.h>

/* Of CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME: these cannot fail (clock_gettime(2)). */
static inline uint64_t clock_usec(clockid_t clock)
{
	struct timespec t = {0};

	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / NSEC_PER_USEC;
}

static inline struct timespec clock_timespec(uint64_t usec)
{
	return (struct timespec){.tv_sec = (time_t)(usec / USEC_PER_SEC),
				 .tv_nsec = (long)(usec % USEC_PER_SEC * NSEC_PER_USEC)};
}
