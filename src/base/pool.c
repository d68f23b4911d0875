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
	struct pool_block *b = malloc(sizeof(*b) + room);

	if (!b)
		return false;
	b->before = p->last;
	b->room = room;
	p->last = b;
	p->left = room;
	p->total += room;
	return true;
}

static size_t round_up(size_t size)
{
	const size_t grain = sizeof(max_align_t);

	return (size + grain - 1) / grain * grain;
}

static char *end_of(const struct pool *p)
{
	return (char *)p->last->data + p->last->room;
}

void *pool_room(struct pool *p, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all) || all >= SIZE_MAX / 4)
		return NULL;
	all = round_up(all);
	if ((all > p->left || !p->last) && !add_block(p, all))
		return NULL;
	p->left -= all;
	return end_of(p) - p->left - all;
}

void pool_keep(struct pool *p, const void *room, size_t n, size_t size)
{
	p->left = (size_t)(end_of(p) - (const char *)room) - round_up(n * size);
}

void *pool_new(struct pool *p, size_t size)
{
	void *made = pool_room(p, 1, size);

	return made ? memset(made, 0, size) : NULL;
}

char *pool_join(struct pool *p, const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	char *text = pool_room(p, n + m + 1, 1);

	if (text)
		memcpy(mempcpy(text, a, n), b, m + 1);
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
