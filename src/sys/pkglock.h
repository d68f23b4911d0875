/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a package manager is at work: dpkg's and rpm's locks are asked about, never taken (not
 * even for reading: apt would fail). That needs root and no capability, since the files are root's.
 *
 * Knows: the locks' places. Must not know: who waits for them. Owns: nothing; no descriptor is
 * kept. Closing one drops only locks of the process that closes, and we have none. */

#include "base/macro.h"
#include "core/hold.h"
#include "sys/fs.h"

/* Who holds one, as it is now. 0; -EACCES: may not ask; or -errno. */
int pkglock_ask(const struct root *r, struct lock_facts *ret) _must_check_ _nonnull_all_;
/* Has an inotify descriptor wake when one of the locks that there are now is let go. */
void pkglock_wake(const struct root *r, int inotify_fd) _nonnull_all_;
/* Has the locks' directories visited, as far as they exist: for what happens to the locks' names.
 * 0 or -errno. */
int pkglock_visit(const struct root *r, fs_visit_fn visit, void *userdata)
	_must_check_ _nonnull_(1, 2);
