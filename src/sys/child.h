/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Runs one program with a bounded question: no shell, given environment only, stdin and stderr from
 * /dev/null, stdout read up to a bound, a time limit, its own process group (killed at the limit).
 * A grandchild that keeps the pipe open is not waited for.
 *
 * Knows: processes. Must not know: what is asked. Owns: nothing. */

#include "base/macro.h"
#include <stdint.h>

enum child_end {
	CHILD_EXITED,    /* number is the exit status */
	CHILD_SIGNALLED, /* number is the signal */
	CHILD_TIMED_OUT,
	CHILD_FLOODED, /* more output than the bound */
	CHILD_NOT_RUN, /* number is the errno of fork or execve */
	CHILD_END_MAX,
};

struct child_answer {
	enum child_end end;
	int number;
	char *text; /* what it printed so far, terminated; never NULL when 0 was returned */
};

void child_answer_done(struct child_answer *a);

/* argv[0] is the path. envp may be an empty list. 0 or -errno (ENOMEM, EMFILE: not asked). */
int child_ask(const char *const *argv, const char *const *envp, size_t max, uint64_t timeout_usec,
	      struct child_answer *ret) _must_check_ _nonnull_all_;
