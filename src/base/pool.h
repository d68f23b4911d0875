/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory that lives and dies together.
 * Knows: bytes. Must not know: what they mean.
 * Owns: a pool owns all that was made from it, until pool_done(); zero-initialise it. */

#include "base/macro.h"

struct pool {
	struct pool_block *last;
	size_t left;  /* room at the end of the last block */
	size_t total; /* so far: blocks grow with it */
};

/* Zeroes, fit for any type, or NULL: no memory. */
void *pool_new(struct pool *p, size_t size) _nonnull_all_;
/* Room for `n` things of that size at most, anything in it, to be filled from its beginning; then
 * pool_keep() says how many there are, before anything else is made from the pool. Or NULL. */
void *pool_room(struct pool *p, size_t n, size_t size) _nonnull_all_;
void pool_keep(struct pool *p, const void *room, size_t n, size_t size) _nonnull_all_;
/* The copies of two texts, one behind the other, or NULL: no memory. */
char *pool_join(struct pool *p, const char *a, const char *b) _nonnull_all_;
static inline char *pool_copy(struct pool *p, const char *s)
{
	return pool_join(p, s, "");
}
void pool_done(struct pool *p) _nonnull_all_;
