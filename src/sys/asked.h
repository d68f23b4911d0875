/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is asked of the executor: a fact on disk that stays one until it is answered. One file a
 * request in the directory `asked`, written under a dot name and renamed to a random one, removed
 * by the executor alone; vsmtp-plugin-reload.path starts the executor as long as one lies there. No
 * lock, no order, no merging.
 *
 * Knows: that directory. Must not know: what a request leads to. Owns:
 * nothing.
 */

#include "core/decide.h"
#include "sys/fs.h"

#define ASKED_MAX 256
/* A request that has lain there longer than that, and nobody is at work: nobody answers. */
#define ASKED_PATIENCE_USEC (5 * USEC_PER_SEC)

/* Files a request; its name, time, pid, command and the package manager at work are
 * filled in here. *ret_name (may be NULL) is
 * its file's, NULL if as many lie there as may: then it counts as asked. 0 or -errno. */
int asked_ask(const struct root *r, const struct request *request, char **ret_name)
	_must_check_ _nonnull_(1, 2);
/* All that lie there. 0 or -errno. */
int asked_read(const struct root *r, struct requests *ret) _must_check_ _nonnull_all_;
/* It is answered. 0 (also if it is gone) or -errno. */
int asked_remove(const struct root *r, const char *name) _must_check_ _nonnull_all_;
/* An inotify descriptor (non-blocking) that is readable when one has come, or a package manager's
 * lock was let go. An fd or -errno. */
int asked_watch(const struct root *r) _must_check_ _nonnull_all_;

/* Does a request wait for longer than it should, with nobody at work? */
bool asked_nobody_answers(const struct root *r, const struct requests *requests) _nonnull_all_;
