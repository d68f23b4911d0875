/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sort.h"

#include <string.h>

/* With more than these out of order it is not nearly sorted. */
#define ASIDE_MAX 64

typedef int (*compare_fn)(const void *a, const void *b, void *userdata);

/* Takes aside what breaks the order, and leaves the others in front; *ret_n is how many were taken.
 * False: too many, or no memory; then all are there, in any order. */
static bool take_aside(char *items, size_t n, size_t size, compare_fn compare, void *userdata,
		       char **aside, size_t *ret_n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		char *at = items + i * size, *next = items + kept * size, *out = at;

		if (kept == 0 || compare(next - size, at, userdata) <= 0) {
			if (kept++ != i)
				memcpy(next, at, size);
			continue;
		}
		*aside = *aside ? *aside : malloc(ASIDE_MAX * size);
		if (!*aside || *ret_n == ASIDE_MAX) {
			if (*aside)
				memcpy(next, *aside, *ret_n * size);
			return false;
		}
		/* One that is too great, or one that is too small? */
		if (kept == 1 || compare(next - 2 * size, at, userdata) <= 0)
			out = next - size;
		memcpy(*aside + (*ret_n)++ * size, out, size);
		if (out != at)
			memcpy(out, at, size);
	}
	return true;
}

void sort_nearly(void *items, size_t n, size_t size, compare_fn compare, void *userdata)
{
	_cleanup_free_ char *aside = NULL;
	size_t n_aside = 0, left;
	char *all = items;

	if (!take_aside(all, n, size, compare, userdata, &aside, &n_aside)) {
		qsort_r(items, n, size, compare, userdata);
		return;
	}
	left = n - n_aside;
	if (n_aside > 1)
		qsort_r(aside, n_aside, size, compare, userdata);
	while (n_aside > 0) { /* from behind, so that each moves once */
		char *to = all + (left + n_aside - 1) * size;
		const char *last = all + left * size, *other = aside + (n_aside - 1) * size;
		bool mine = left > 0 && compare(last - size, other, userdata) > 0;

		memcpy(to, mine ? last - size : other, size);
		left -= mine;
		n_aside -= !mine;
	}
}
