/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One unit of the server in the executor's hands: what decide() needs to remember of it, the doing
 * of what it says, and the word on it. The executor's lower half, for it alone.
 *
 * Knows: decide, jobs, records. Must not know: requests' files, the executor's own life.
 * Owns: a struct executor_unit its texts; a look all it holds. */

#include "base/macro.h"
#include "prog/units.h"
#include "sys/answer.h"

struct executor_unit {
	char *name;  /* the manager's */
	char *shown; /* escaped */
	char *owed_set;
	uint64_t first_usec; /* of the burst: see struct decide_facts */
	uint64_t last_usec;
	unsigned unanswered;
	uint64_t unanswered_usec;
	bool started; /* by us, in this life */
	/* Its line of the answer. */
	enum answer_word word;
	enum decide_why why;
	uint64_t until_usec;
	char *text;
};

struct executor {
	const struct root *root;
	int lock_fd;
	int watch_fd;
	struct observer *observer;
	struct unit_manager *manager; /* NULL: not connected now */
	struct executor_unit *units;
	size_t n_units;
	struct answer answered; /* the last words of late, the newest first */
	struct hold hold; /* who has asked from outside waits for package managers (rule 17) */
	uint64_t begun_usec;
	unsigned failures; /* of whole looks, in a row */
	bool said_not_known;
};

struct executor_look {
	struct pass pass;
	struct units units;
};

void executor_look_done(struct executor_look *l);
/* Configuration, files, units; connects if it must. 0 or -errno. */
int executor_look(struct executor *x, struct executor_look *ret) _must_check_ _nonnull_all_;
/* Writes the answer to what that look had listed. 0 or -errno. */
int executor_answer(struct executor *x, const struct executor_look *l) _must_check_ _nonnull_all_;

/* Finds or makes. NULL: out of memory. The pointer holds until the next one is made. */
struct executor_unit *executor_unit_get(struct executor *x, const char *name) _nonnull_all_;
void executor_unit_done(struct executor_unit *u);
/* Decides about number i of the look, sets the unit's word, and does what is to be done. *ret_due:
 * when to look again, USEC_INFINITY: the word is the last one. 0 or -errno. */
int executor_unit_step(struct executor *x, struct executor_unit *u, struct executor_look *l,
		       size_t i, uint64_t *ret_due) _must_check_ _nonnull_all_;
