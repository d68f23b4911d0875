/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sort.h"

#include <string.h>

struct sort {
	size_t n;
	size_t size;
	sort_compare_fn compare;
	void *userdata;
};

/* Where the run that begins there ends. */
static size_t run_end(const struct sort *s, const char *items, size_t from)
{
	size_t i = from + 1;

	while (i < s->n &&
	       s->compare(items + (i - 1) * s->size, items + i * s->size, s->userdata) <= 0)
		i++;
	return i;
}

/* Merges the runs from `a` and from `b`, which ends at `end`. */
static void merge(const struct sort *s, const char *items, const size_t at[3], char *to)
{
	const char *a = items + at[0] * s->size, *b = items + at[1] * s->size;
	const char *a_end = b, *b_end = items + at[2] * s->size;

	while (a < a_end && b < b_end) {
		const char **from = s->compare(a, b, s->userdata) <= 0 ? &a : &b;

		memcpy(to, *from, s->size);
		*from += s->size;
		to += s->size;
	}
	memcpy(to, a, (size_t)(a_end - a));
	memcpy(to + (a_end - a), b, (size_t)(b_end - b));
}

void sort_nearly(void *items, size_t n, size_t size, sort_compare_fn compare, void *userdata)
{
	const struct sort s = {.n = n, .size = size, .compare = compare, .userdata = userdata};
	_cleanup_free_ char *spare = NULL;
	char *from = items, *to;

	if (n < 2 || run_end(&s, from, 0) >= n)
		return;
	to = spare = malloc(n * size);
	if (!spare) {
		qsort_r(items, n, size, compare, userdata);
		return;
	}
	while (run_end(&s, from, 0) < n) {
		char *merged = to;

		for (size_t at[3] = {0}; at[0] < n; at[0] = at[2]) {
			at[1] = run_end(&s, from, at[0]);
			at[2] = at[1] < n ? run_end(&s, from, at[1]) : n;
			merge(&s, from, at, to + at[0] * size);
		}
		to = from;
		from = merged;
	}
	if (from != items)
		memcpy(items, from, n * size);
}
