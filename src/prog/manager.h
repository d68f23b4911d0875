/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's life: what wakes it, and when it acts. Only clocks, descriptors and signals; what a
 * pass does is sync's, what is said of it report's.
 *
 * Knows: sd-event, sd-daemon. Must not know: paths, versions, names.
 * Owns: struct manager, private to manager.c. */

#include "base/macro.h"
#include "sys/fs.h"
#include "sys/server.h"

/* EX_TEMPFAIL: the links directory is new and read-only to this process; a fresh start mends it. */
#define MANAGER_EXIT_NEW_DIRECTORY 75

/* SIGHUP, SIGTERM and SIGINT must be blocked. Runs until a signal ends it. Returns the exit code,
 * or -errno (already logged). */
int manager_run(const struct root *r, enum server_flags flags) _must_check_ _nonnull_all_;
