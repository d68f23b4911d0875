/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The executor: the only one who restarts or reloads the server.
 *
 * What is asked of it lies on disk (sys/asked). It lists that, looks, does what decide() says,
 * writes what came of it (sys/answer) at each step, and removes exactly what it had listed before
 * that look. It lives until nothing is left to do, hears of what comes meanwhile, and what it
 * cannot do now it tries again: it never ends well while a request lies there. Whoever asks after
 * its last look finds the path unit, which starts it anew.
 *
 * Knows: the order of these. Must not know: bus or ELF, options, one unit's affairs.
 * Owns: its observer, its connection to the manager, what it remembers of units and answers. */

#include "base/macro.h"
#include "sys/fs.h"

/* The exit status: 0 all is answered (or there is no service manager), 1 it could not begin. */
int executor_run(const struct root *root) _nonnull_all_;
