/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was done: apply's answer to a plan, as data; and what others did that nobody was told of.
 * Knows: plans. Must not know: how it was done. Owns: its list; the texts
 * are the plan's and the snapshot's, or in `texts`. */

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
	bool cleaned;  /* remove: somebody wanted all of ours to go */
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
	char *texts;    /* of what was not told before */
	size_t n_swept; /* left-overs of a killed pass removed */
};

void outcome_done(struct outcome *o);
/* Adds a change that was made after those that are there. Two of one link are told as one, or not at
 * all if it is as it was. 0 or -ENOMEM. */
int outcome_join(struct outcome *o, const struct change *later) _must_check_ _nonnull_all_;
/* Takes over what was changed before and is not told yet; sorted by name, as all changes are. Of a
 * link that was changed again the last change is told. 0 or -ENOMEM. */
int outcome_tell_also(struct outcome *o, struct outcome *untold) _must_check_ _nonnull_all_;
/* Number of changes with that result. */
size_t outcome_count(const struct outcome *o, enum change_result result) _nonnull_all_;
/* How often inotify(7) tells of the names that were changed: twice of those that were exchanged. */
size_t outcome_count_events(const struct outcome *o) _nonnull_all_;
/* Did anything fail that may come right by itself, so that it has to be tried again (rule 14)? Not what
 * is forbidden: a change of owner or mode is an event. */
bool outcome_is_owed(const struct outcome *o) _nonnull_all_;
/* Is the links directory read-only to who tried? */
bool outcome_is_read_only(const struct outcome *o) _nonnull_all_;
