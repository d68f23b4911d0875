/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sorting what mostly is in order: one comparison for each item that is, where qsort_r(3) makes a
 * dozen. Knows: bytes. Must not know: what they mean. Owns: nothing. */

#include "base/macro.h"
#include <stdbool.h>

/* As qsort_r(3). No two items may compare as equal, if their order matters. */
void sort_nearly(void *items, size_t n, size_t size,
		 int (*compare)(const void *a, const void *b, void *userdata), void *userdata);
