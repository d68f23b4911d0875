/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_MIN ((size_t)2048)
#define BLOCK_MAX ((size_t)1024 * 1024)

struct pool_block {
	struct pool_block *before;
	size_t room;
	max_align_t data[];
};

static bool add_block(struct pool *p, size_t size)
{
	size_t room = MAX(size, MAX(BLOCK_MIN, MIN(p->total, BLOCK_MAX)));
	struct pool_block *b = calloc(1, sizeof(*b) + room);

	if (!b)
		return false;
	b->before = p->last;
	b->room = room;
	p->last = b;
	p->left = room;
	p->total += room;
	return true;
}

void *pool_new(struct pool *p, size_t size)
{
	const size_t grain = sizeof(max_align_t);
	char *end;

	if (size >= SIZE_MAX / 4)
		return NULL;
	size = (size + grain - 1) / grain * grain;
	if (size > p->left && !add_block(p, size))
		return NULL;
	end = (char *)p->last->data + p->last->room;
	p->left -= size;
	return end - p->left - size;
}

char *pool_join(struct pool *p, const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	char *text = pool_new(p, n + m + 1);

	if (text) {
		memcpy(text, a, n);
		memcpy(text + n, b, m);
	}
	return text;
}

void pool_done(struct pool *p)
{
	while (p->last) {
		struct pool_block *before = p->last->before;

		free(p->last);
		p->last = before;
	}
	*p = (struct pool){0};
}
