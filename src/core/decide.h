/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What one unit of the server needs next, and why: the only answer to "may we restart, and when".
 * Reload hook, executor, `status`, `plan` and `reload` all ask this one function, so they say the
 * same of the same facts. Pure: all that it needs of the past is handed in, and so is the time
 * (CLOCK_BOOTTIME in microseconds; no wall clock, but for a start without a record).
 *
 * In this order: not running, nothing owed; refused; forbidden by a policy; tried in vain; somebody
 * else's job; a package manager at work; not quiet yet; too soon after the last restart; else do it.
 * A person's request skips policy, package manager, quiet and distance.
 *
 * Knows: configuration, snapshot, plan, unit facts. Must not know: where facts are kept, clocks,
 * how a reload is done. Owns: a decision its texts; lists what is in them. */

#include "core/config.h"
#include "core/hold.h"
#include "core/loaded.h"
#include "core/plan.h"

/* ---- what is asked for ---- */

enum request_kind {
	REQUEST_LOOK,         /* something may be owed: causes no restart by itself */
	REQUEST_RELOAD,       /* a person's, who does not wait */
	REQUEST_RELOAD_WAITS, /* a person's, who does */
	REQUEST_KIND_MAX,
};

struct request {
	char *name; /* of its file */
	enum request_kind kind;
	char *unit;     /* by any of its names; "": all of them */
	char *replaces; /* the invocation that is to be replaced even if nothing is owed, or "" */
	char *set;      /* fingerprint of the loaded set as the asker saw it, or "" */
	uint64_t usec;  /* when */
	int holder; /* the package manager that was at work then: its pid, -1 not known, 0 none */
	int pid;    /* the asker's */
	char *command; /* ... and its name */
};

struct requests {
	struct request *items;
	size_t n;
	size_t not_known; /* files that are not understood: another format, or not readable */
};

void request_done(struct request *r);
void requests_done(struct requests *r);
bool request_is_about(const struct request *r, const struct unit_facts *u) _nonnull_all_;

/* ---- what was done ---- */

enum start_result {
	START_BEGUN, /* the job was asked for, and its end was not seen */
	START_DONE,
	START_CANCELED,
	START_FAILED,
	START_RESULT_MAX,
};

/* One reload or restart by us. */
struct start {
	uint64_t usec;     /* when it was asked for */
	uint64_t end_usec; /* when its job ended, 0 if that was not seen */
	bool reload;
	enum start_result result;
	char unit[256];                    /* the manager's name for it */
	char replaced[33];                 /* the invocation it had before, or "" */
	char set[LOADED_FINGERPRINT_SIZE]; /* of what it was to load */
};

#define STARTS_MAX 16
struct starts {
	struct start items[STARTS_MAX]; /* the oldest first */
	size_t n;
};

/* The oldest makes room. */
void starts_add(struct starts *s, const struct start *made) _nonnull_all_;

/* ---- the decision ---- */

enum decide_what {
	DECIDE_NOTHING,
	DECIDE_REFUSE,       /* owed, and the running server is left as it is */
	DECIDE_FORBIDDEN,    /* owed, and a policy leaves it to a person */
	DECIDE_GIVE_UP,      /* owed, and tried in vain: until asked anew, or the set changes */
	DECIDE_WAIT_FOR_JOB, /* until the unit is not changing any more */
	DECIDE_WAIT,         /* until until_usec */
	DECIDE_RELOAD,       /* by the unit's own ExecReload= */
	DECIDE_RESTART,
	DECIDE_WHAT_MAX,
};

enum decide_why {
	DECIDE_WHY_NOTHING_OWED,
	DECIDE_WHY_NOT_RUNNING,
	DECIDE_WHY_NO_MANAGER,
	DECIDE_WHY_NO_ANSWER, /* of the manager: asked again after a while */
	DECIDE_WHY_ACTION_NONE,
	DECIDE_WHY_SERVER_ABSENT,
	DECIDE_WHY_SERVER_UNTRUSTED,
	DECIDE_WHY_NOT_KNOWN, /* rule 9 */
	DECIDE_WHY_DIRECTORY, /* the links directory is a symlink, no directory, unreadable */
	DECIDE_WHY_FORBIDDEN,
	DECIDE_WHY_FAILED, /* the job for this set */
	DECIDE_WHY_TRIES,  /* done, and yet owed, so often */
	DECIDE_WHY_JOB,
	DECIDE_WHY_HELD, /* a package manager is at work, and nobody asked from inside (rule 17) */
	DECIDE_WHY_SETTLING,
	DECIDE_WHY_DISTANCE,
	DECIDE_WHY_SET_CHANGED,
	DECIDE_WHY_NEWER,
	DECIDE_WHY_REQUESTED,
	DECIDE_WHY_MAX,
};

struct decide_facts {
	const struct config *config;
	const struct snapshot *seen;
	const struct plan *plan;
	const char *set; /* loaded_set_make() of `seen` */
	const struct unit_facts *unit;
	const struct requests *requests;
	const struct starts *starts;
	const struct lock_facts *lock; /* the package manager's that is waited for, or NULL */
	uint64_t asked_usec; /* since when this is worked on, if there is no request: what was tried
				before counts no more */
	uint64_t first_usec; /* of the burst that settles: first and last time that the set was */
	uint64_t last_usec;  /* another; 0: nobody watches, so it is quiet */
	unsigned unanswered; /* how often in a row the manager gave no answer, and last when */
	uint64_t unanswered_usec;
	uint64_t now_usec;
};

struct decision {
	enum decide_what what;
	enum decide_why why;
	uint64_t until_usec;
	struct owed owed;
};

void decision_done(struct decision *d);
/* 0 or -ENOMEM. */
int decide(const struct decide_facts *f, struct decision *ret) _must_check_ _nonnull_all_;
/* What stands in the way of any restart, whatever the units do: a DECIDE_WHY_* that is refused, or
 * DECIDE_WHY_NOTHING_OWED if nothing does. */
enum decide_why decide_refusal(const struct config *c, const struct snapshot *s,
			       const struct plan *p) _nonnull_all_;

/* Stable codes. */
const char *decide_what_to_string(enum decide_what w);
const char *decide_why_to_string(enum decide_why w);
