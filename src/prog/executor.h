/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The reload executor: the only one who restarts or reloads the server (DESIGN, "One executor").
 *
 * What is asked of it is a fact on disk, never a message: it looks, does what is owed, says READY,
 * looks again, says STOPPING, and looks a last time; what is owed then, it asks the manager to
 * start it anew for. A request while it is activating is merged into that start and delivers
 * nothing, but the fact was there before READY was taken in, so the look after READY sees it; a
 * request while it is active is a SIGHUP, and the fact was there before STOPPING was taken in, so
 * the last look sees it; a later one finds it deactivating and is a start of its own. So none is
 * lost.
 *
 * Knows: observe, unit, state, the restart machine. Must not know: bus or ELF, options.
 * Owns: its observer and its connection to the manager. */

#include "base/macro.h"
#include "sys/fs.h"

/* SIGHUP must be blocked, and come out of signal_fd. Returns the exit status: 0 nothing is owed any
 * more (or there is no service manager), 1 something could not be done. */
int executor_run(const struct root *root, int signal_fd) _nonnull_all_;
