/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is there a service manager that is ours to ask, as systemd's own tools tell it: not below another
 * root, not in a chroot (another root directory than process 1's, whatever is mounted there), and
 * /run/systemd/system is there (sd_booted(3)). A bus that is silent for a moment does not matter.
 *
 * Knows: process 1's root. Must not know: buses. Owns: nothing. */

#include "sys/fs.h"

bool booted(const struct root *r) _nonnull_all_;
/* In a chroot with process 1's own /run mounted in it: nothing of ours is to be left there. */
bool booted_run_is_foreign(void);
