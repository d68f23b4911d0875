/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon asks of its surroundings beside plugins: the configuration, and the way to the
 * package managers' locks. Read again only when something happened to them.
 *
 * Knows: where to ask. Must not know: events, plugins. Owns: the configuration and its remarks. */

#include "prog/pass.h"
#include "sys/watch.h"

struct surroundings {
	struct config config;
	struct config_remarks remarks;
	bool config_in_doubt;
	bool locks_in_doubt;
};

void surroundings_done(struct surroundings *s);
void surroundings_doubt(struct surroundings *s) _nonnull_all_;
/* Arms first, then reads what is in doubt. 1: the configuration was read anew; 0; -errno. */
int surroundings_read(struct surroundings *s, const struct root *root, struct watch *w)
	_must_check_ _nonnull_all_;
/* Lends the configuration and its remarks to a pass. */
void surroundings_lend(const struct surroundings *s, struct pass *p) _nonnull_all_;
