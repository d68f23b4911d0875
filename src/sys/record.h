/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is remembered of the server's units, in the run directory, gone with a reboot, which loads
 * everything anew: the loaded set of each unit's last start, what a policy forbade, our last
 * starts, what the daemon has asked about, and what nobody was told of. Each begins with the number
 * of its format; one of another format is not known, as if it were not there, and nobody deletes it
 * for that.
 *
 * Knows: those files' places and form. Must not know: what any of them leads to. Owns: nothing. */

#include "core/decide.h"
#include "core/outcome.h"
#include "sys/fs.h"

/* Fills u->record, u->record_invocation, u->forbidden for the unit's id. 0 or -ENOMEM. */
int record_read_unit(const struct root *r, struct unit_facts *u) _must_check_ _nonnull_all_;
enum record_by {
	RECORD_BY_HOOK,  /* at the start */
	RECORD_BY_OTHER, /* later: nobody knows what its links were at the start */
};

/* The loaded set of the start `invocation` of a unit. 0 or -errno. */
int record_write_loaded(const struct root *r, const char *unit, const char *invocation,
			const char *set, enum record_by by) _must_check_ _nonnull_all_;
/* A policy leaves the reload to that set to a person; NULL: to none. 0 or -errno. */
int record_forbid(const struct root *r, const char *set) _must_check_ _nonnull_(1);

/* What cannot be read or is damaged is not in it. 0 or -ENOMEM. */
int record_read_starts(const struct root *r, struct starts *ret) _must_check_ _nonnull_all_;
int record_write_starts(const struct root *r, const struct starts *s) _must_check_ _nonnull_all_;

/* Links that were changed by who answers to nobody, the daemon and hooks, until somebody who does
 * takes them to tell them; only so many. The caller holds the lock. 0 or -errno. */
int record_add_untold(const struct root *r, const struct outcome *o) _must_check_ _nonnull_all_;
int record_take_untold(const struct root *r, struct outcome *ret) _must_check_ _nonnull_all_;

/* Fingerprint of the set that the daemon last asked about, NULL if none. 0 or -ENOMEM. */
int record_read_asked(const struct root *r, char **ret) _must_check_ _nonnull_all_;
/* NULL forgets it. 0 or -errno. */
int record_write_asked(const struct root *r, const char *fingerprint) _must_check_ _nonnull_(1);
