/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One unit of the server in the executor's hands: is it to be reloaded, when, how, and what came of
 * it. The executor's lower half, for it alone.
 *
 * Knows: owed, the restart machine, jobs. Must not know: the executor's own life as a unit.
 * Owns: a struct executor_unit its texts; a look all it holds. */

#include "base/macro.h"
#include "core/restart.h"
#include "prog/sync.h"
#include "sys/conf.h"
#include "sys/state.h"

struct executor_unit {
	char *name;
	char *shown; /* escaped */
	struct restart machine;
	char *asked_set; /* the set when it was last asked for: another one is news */
	int64_t asked_request;
	char *tried_set; /* the set of the last attempt, and how many there were for it */
	unsigned tries;
	char *given_up_set; /* not tried again for this set and request, until asked anew */
	int64_t given_up_request;
	uint64_t changing_since; /* 0: it is not changing */
};

struct executor {
	const struct root *root;
	int signal_fd;
	struct observer *observer;
	struct unit_manager *manager; /* NULL: the connection was lost */
	struct executor_unit *units;
	size_t n_units;
	bool failed;
};

struct executor_look {
	struct config config;
	struct snapshot seen;
	struct units units;
};

void executor_look_done(struct executor_look *l);
int executor_look(struct executor *x, struct executor_look *ret) _must_check_ _nonnull_all_;

/* Finds or makes. NULL: out of memory. The pointer holds until the next one is made. */
struct executor_unit *executor_unit_get(struct executor *x, const char *name) _nonnull_all_;
void executor_unit_done(struct executor_unit *u);
/* Forgets that anything was given up. */
void executor_unit_retry(struct executor_unit *u) _nonnull_all_;
/* Is there anything to do about unit number i of the look, now or soon? */
bool executor_unit_wants(const struct executor_unit *u, const struct executor_look *l, size_t i)
	_nonnull_all_;
/* Does what is due. Returns when to look again, or USEC_INFINITY. */
uint64_t executor_unit_step(struct executor *x, struct executor_unit *u,
			    const struct executor_look *l, size_t i, uint64_t now_usec)
	_nonnull_all_;
