/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The look: server, stores, candidates, links directory, remembered names -> struct snapshot.
 * Failures of looking are facts in it.
 *
 * There is one look, and its result is always the whole world (rule 16). With a watch the observer
 * hears which facts are in doubt: what nothing happened to since it was looked at keeps its facts,
 * and costs no system call. Without one everything is in doubt each time.
 *
 * Knows: where things are. Must not know: what is right or wrong with them. Owns: struct observer
 * shares the snapshot that it handed out last, and brings it up to date by the next look if nobody
 * else has it any more; else it begins anew. */

#include "base/macro.h"
#include "core/config.h"
#include "core/snapshot.h"
#include "sys/fs.h"
#include "sys/server.h"
#include "sys/watch.h"

struct observer;

/* root is borrowed and must outlive the observer. 0 or -errno. */
int observer_new(const struct root *root, enum server_flags flags, struct observer **ret)
	_must_check_ _nonnull_all_;
struct observer *observer_free(struct observer *o);
/* Has all that is looked at watched from now on, each before it is looked at. The watch is borrowed
 * and must outlive the observer. */
void observer_set_watch(struct observer *o, struct watch *w) _nonnull_all_;
/* A watch_news_fn for the subjects that looks have armed; userdata is the observer. 1: facts are in
 * doubt now; 0: that was nothing; -ENOMEM. */
int observer_doubt(void *userdata, unsigned subject, const char *dir, const char *name);
/* Everything may have changed; files are still known by their signatures. */
void observer_doubt_all(struct observer *o) _nonnull_all_;
/* Everything is looked at anew by the next look (SIGHUP). */
void observer_forget(struct observer *o) _nonnull_all_;

/* Looks; ret->held goes in. *ret shares the facts, until snapshot_done(), which comes before the
 * next look. 0 or -errno if we could not look at all (ENOMEM, EMFILE). */
int observe(struct observer *o, const struct config *c, struct snapshot *ret)
	_must_check_ _nonnull_all_;
