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
/* The copies of two texts, one behind the other, or NULL: no memory. */
char *pool_join(struct pool *p, const char *a, const char *b) _nonnull_all_;
static inline char *pool_copy(struct pool *p, const char *s)
{
	return pool_join(p, s, "");
}
void pool_done(struct pool *p) _nonnull_all_;
