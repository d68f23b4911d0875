/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* May a person's reload go on to a restart? Where it would certainly end without mail, or is not
 * ours to do, the running server is left running and the person is told why. One more reason is one
 * more code here, its test in refusal_find(), and its words in wording_refusal().
 *
 * Knows: configuration, snapshot, plan. Must not know: units, who asks. Owns: nothing. */

#include "core/config.h"
#include "core/plan.h"

enum refusal {
	REFUSAL_NONE,
	REFUSAL_ACTION_NONE,      /* restarts are the administrator's */
	REFUSAL_SERVER_ABSENT,    /* no program to start */
	REFUSAL_SERVER_UNTRUSTED, /* others may change what root would run */
	REFUSAL_NOT_KNOWN,        /* rule 9 */
	REFUSAL_DIRECTORY,        /* the links directory is a symlink, no directory, unreadable */
	REFUSAL_MAX,
};

/* The first reason, in that order. */
enum refusal refusal_find(const struct config *c, const struct snapshot *s, const struct plan *p)
	_nonnull_all_;
