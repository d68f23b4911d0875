/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sort.h"

#include <string.h>

/* With more than these out of order it is not nearly sorted. */
#define MOVED_MAX 64

void sort_nearly(void *items, size_t n, size_t size,
		 int (*compare)(const void *a, const void *b, void *userdata), void *userdata)
{
	_cleanup_free_ char *item = malloc(size);
	unsigned moved = 0;

	for (size_t i = 1; i < n; i++) {
		char *at = (char *)items + i * size, *low = items;

		if (compare(at - size, at, userdata) <= 0)
			continue;
		if (!item || ++moved > MOVED_MAX) {
			qsort_r(items, n, size, compare, userdata);
			return;
		}
		for (size_t left = i; left > 0; left /= 2) { /* behind all that are not greater */
			char *mid = low + left / 2 * size;

			if (compare(mid, at, userdata) <= 0) {
				low = mid + size;
				left--;
			}
		}
		memcpy(item, at, size);
		memmove(low + size, low, (size_t)(at - low));
		memcpy(low, item, size);
	}
}
