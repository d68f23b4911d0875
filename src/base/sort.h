/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sorting what mostly is in order: one comparison for each item that is, where qsort_r(3) makes a
 * dozen. Knows: bytes. Must not know: what they mean. Owns: nothing. */

#include "base/macro.h"

typedef int (*sort_compare_fn)(const void *a, const void *b, void *userdata);

/* As qsort_r(3), but runs that are in order are found and merged. Equal items keep their order,
 * unless there is no memory. */
void sort_nearly(void *items, size_t n, size_t size, sort_compare_fn compare, void *userdata);
