/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every fuzzer shares: the entry point, a check that no build leaves out, and C strings from
 * raw input. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* The text up to the next NUL or newline, terminated, in a piece of memory of its own; *data moves
 * on behind it. */
static inline char *fuzz_take_text(const uint8_t **data, size_t *size)
{
	size_t n = 0, skip;
	char *text;

	while (n < *size && (*data)[n] != 0 && (*data)[n] != '\n')
		n++;
	skip = n < *size ? n + 1 : n;
	text = malloc(n + 1);
	must(text);
	if (n > 0)
		memcpy(text, *data, n);
	text[n] = 0;
	*data += skip;
	*size -= skip;
	return text;
}
