/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was done: apply's answer to a plan, as data.
 * Knows: plans. Must not know: how it was done. Owns: its list; the texts
 * are the plan's and the snapshot's. */

#include "base/macro.h"
#include "core/plan.h"

enum change_result {
	CHANGE_DONE,
	CHANGE_MOVED,  /* the entry was no longer what the plan had seen: left alone, the next pass
			  sees  to it */
	CHANGE_FAILED, /* error is set */
	CHANGE_RESULT_MAX,
};

const char *change_result_to_string(enum change_result r);

struct change {
	enum link_action action; /* create, replace, remove */
	enum change_result result;
	int error;
	bool restored; /* create: somebody had deleted it */
	bool renamed;  /* remove: the link has another name now */
	const char *name;
	const char *key;  /* may be NULL */
	const char *text; /* create, replace: what it leads to now */
	const char *was;  /* replace, remove: what it led to */
	const char *why; /* remove: gate code of the plugin's best candidate, NULL if it has none */
};

struct outcome {
	enum plan_directory directory; /* what was asked for */
	int directory_error;           /* making it or taking it over failed: errno */
	int sync_error;  /* fsync failed: the changes are there, and may not survive a crash */
	int names_error; /* the record of names could not be written */
	bool names_written;
	struct change *changes;
	size_t n_changes;
	size_t n_swept; /* left-overs of a killed pass removed */
};

void outcome_done(struct outcome *o);
/* Number of changes with that result. */
size_t outcome_count(const struct outcome *o, enum change_result result) _nonnull_all_;
/* How often inotify(7) tells of the names that were changed: twice of those that were exchanged. */
size_t outcome_count_events(const struct outcome *o) _nonnull_all_;
/* Did anything fail that may come right by itself, so that it has to be tried again (rule 14)? Not what
 * is forbidden: a change of owner or mode is an event. */
bool outcome_is_owed(const struct outcome *o) _nonnull_all_;
/* Did anything fail for that errno? */
bool outcome_has_error(const struct outcome *o, int error) _nonnull_all_;
