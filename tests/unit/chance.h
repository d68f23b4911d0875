/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Worlds made by chance, as the text that golden.h reads: the same seed makes the same world.
 * Small, so that names, plugins and inodes meet often. Knows: the text of a world. Must not know:
 * plans. Owns: a made world owns its texts. */

#include "base/macro.h"

#define WORLD_KEYS 4
extern const char *const world_keys[WORLD_KEYS + 1];

enum kind {
	COLLIDE, /* names and inodes of different plugins may meet */
	APART,   /* they may not */
};

struct made {
	unsigned seed;
	enum kind kind;
	char *text;
};

void made_done(struct made *m);
/* 0 or -ENOMEM. */
int make_world(unsigned seed, enum kind kind, struct made *ret) _must_check_ _nonnull_all_;
