/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looks: server, stores, candidates, links directory, remembered names -> struct snapshot. Failures
 * of looking are facts in it. Files whose signature is unchanged since a finished look are not
 * opened again in an observer's life.
 *
 * Knows: where things are. Must not know: what is right or wrong with them. Owns: struct observer
 * owns its memory of files. */

#include "base/macro.h"
#include "core/config.h"
#include "core/snapshot.h"
#include "sys/fs.h"
#include "sys/server.h"

struct observer;

/* root is borrowed and must outlive the observer. 0 or -errno. */
int observer_new(const struct root *root, enum server_flags flags, struct observer **ret)
	_must_check_ _nonnull_all_;
struct observer *observer_free(struct observer *o);
/* Everything is looked at anew by the next look (SIGHUP). */
void observer_forget(struct observer *o) _nonnull_all_;
/* Called for each directory before it is looked at, so that watches are armed first. */
void observer_set_visit(struct observer *o, fs_visit_fn visit, void *userdata) _nonnull_(1);

/* A name that an event carried, in a directory that was visited. */
struct hint {
	const char *dir;
	const char *name;
};
/* Looks only at the plugins that some names belong to, at a cost that does not grow with the store.
 * 1 and a partial snapshot; 0 if that is in doubt and a full look is needed; -errno. `c` must be
 * the configuration of the last full look. */
int observe_some(struct observer *o, const struct config *c, const struct hint *hints, size_t n,
		 struct snapshot *ret) _must_check_ _nonnull_all_;

/* A full look. 0 or -errno if we could not look at all (ENOMEM, EMFILE). */
int observe(struct observer *o, const struct config *c, struct snapshot *ret)
	_must_check_ _nonnull_all_;
