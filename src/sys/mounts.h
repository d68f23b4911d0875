/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mount table, as proc(5) has it, and what a sandboxed process may write by it. ReadWritePaths=
 * follows symlinks, so whoever owns a directory above the links directory can have another tree
 * made writable.
 *
 * Knows: /proc/self/mountinfo. Must not know: what is mounted, or written, where. Owns: nothing. */

#include "base/macro.h"

/* The mount point in a line of the table, its escapes undone in place. NULL: there is none. */
char *mounts_point(char *line) _nonnull_all_;
/* Is any directory writable besides the `allowed` (a NULL-terminated list of paths), what is below
 * them, and what is below /proc, /sys and /dev? 1 and *ret_path (the caller's), 0, -errno. */
int mounts_find_writable(const char *const *allowed, char **ret_path) _must_check_ _nonnull_all_;
