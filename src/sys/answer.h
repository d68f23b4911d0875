/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the executor answers: the file `answer`, renamed into place at every step of its work. It
 * names the requests that it is about, and still those that were answered last, so that who reads
 * it late does not miss the word.
 *
 * Knows: that file. Must not know: what the words mean to whom.
 * Owns: an answer owns all that is in it. */

#include "core/decide.h"
#include "sys/fs.h"

enum answer_word {
	ANSWER_NONE, /* nobody has seen it yet */
	ANSWER_LOOKED,
	ANSWER_WAITING,
	ANSWER_ACTING,
	ANSWER_STARTED,
	/* From here on the last word; of several units the gravest, which comes last here. */
	ANSWER_NOT_RUNNING,
	ANSWER_NOTHING_OWED,
	ANSWER_HEALTHY, /* started, and nothing is owed: no more than that is known */
	ANSWER_FORBIDDEN,
	ANSWER_REFUSED,
	ANSWER_GAVE_UP,
	ANSWER_FAILED,
	ANSWER_WORD_MAX,
};

static inline bool answer_is_last(enum answer_word w)
{
	return w >= ANSWER_NOT_RUNNING;
}
/* Of two units: who is not done yet, else the gravest. */
enum answer_word answer_join(enum answer_word a, enum answer_word b);
/* Stable codes. */
const char *answer_word_to_string(enum answer_word w);

struct answered {
	char *name; /* of the request */
	enum answer_word word;
	enum decide_why why;
	uint64_t until_usec; /* waiting: CLOCK_BOOTTIME, or 0 */
	char *text;          /* a sentence */
};

struct answer {
	struct answered *items; /* the newest first */
	size_t n;
	int pid; /* the executor's */
};

void answer_done(struct answer *a);
/* Adds copies. 0 or -ENOMEM. */
int answer_add(struct answer *a, const struct answered *item) _must_check_ _nonnull_all_;
const struct answered *answer_find(const struct answer *a, const char *name) _nonnull_all_;

/* Empty if there is none, or one of another format. 0 or -errno. */
int answer_read(const struct root *r, struct answer *ret) _must_check_ _nonnull_all_;
int answer_write(const struct root *r, const struct answer *a) _must_check_ _nonnull_all_;
/* Waits by inotify until each of the requests has a word that is the last, or not below `least`; at
 * most until the deadline (CLOCK_BOOTTIME). *ret is what all of them come to. 1: so it is, 0: the
 * deadline, -errno. */
int answer_wait(const struct root *r, char *const *names, enum answer_word least,
		uint64_t deadline_usec, struct answered *ret) _must_check_ _nonnull_all_;
void answered_done(struct answered *a);
