/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* When the daemon asks the executor to look: when the loaded set of now is another than the one
 * that it last asked about. It has no bus, and does not know what any unit is owed.
 *
 * Knows: sets, requests. Must not know: units. Owns: nothing; what it remembers lies in the run
 * directory. */

#include "prog/pass.h"

/* After a look that found nothing to do. *ret_word: what is known of it, for the state line, or
 * NULL. 0 or -errno. */
int asker_ask(const struct root *root, const struct pass *p, const char **ret_word)
	_must_check_ _nonnull_all_;
/* Somebody wants to be asked for anew. */
void asker_forget(const struct root *root) _nonnull_all_;
