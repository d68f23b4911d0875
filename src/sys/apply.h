/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Does what a plan says: the only writer of the links directory (rule 14). Each change is atomic
 * for its name and checked against what the plan had seen; the directory is fsynced; no temporary
 * name survives.
 *
 * Knows: directory entries. Must not know: why. Owns: nothing. */

#include "base/macro.h"
#include "core/config.h"
#include "core/outcome.h"
#include "core/plan.h"
#include "sys/fs.h"

/* The caller holds the lock. 0 or -ENOMEM; *ret says what was done in either case. */
int apply(const struct root *r, const struct config *c, const struct snapshot *s,
	  const struct plan *p, struct outcome *ret) _must_check_ _nonnull_all_;
