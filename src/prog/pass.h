/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One pass, the only one: lock, configuration, look, plan, apply, look again, tell. No clock and no
 * event loop; the same for daemon, command, start hook and executor, who say by flags how far it
 * goes.
 *
 * Knows: the order of the layers below. Must not know: time, who asked, output.
 * Owns: a struct pass owns all it holds, but for a lent configuration. */

#include "base/macro.h"
#include "core/config.h"
#include "core/outcome.h"
#include "core/plan.h"
#include "sys/fs.h"
#include "sys/observe.h"

enum pass_flags {
	PASS_LOOK = 0,             /* no lock, and nothing is written */
	PASS_CHANGE = 1 << 0,      /* under the lock, makes links right */
	PASS_HOLD = 1 << 1,        /* not while a package manager is at work (rule 17) */
	PASS_EXPECT = 1 << 2,      /* only if the world has that fingerprint */
	PASS_CLEAN = 1 << 3,       /* takes all links of ours away instead */
	PASS_NOTHING_NEW = 1 << 4, /* makes no link and no directory */
	PASS_LOOK_AGAIN = 1 << 5,  /* behind its own changes */
	PASS_ANSWER = 1 << 6, /* somebody waits to be told what has changed since the last time */
	PASS_LOG = 1 << 7,    /* the changes to the log; else their maker shows them itself */
	PASS_FORBID = 1 << 8, /* a policy leaves the reload to a person: written down */
};

struct pass {
	struct config config;
	struct config_remarks remarks;
	bool lent; /* these two are somebody else's */
	bool idle; /* there is nothing to do, so there is no plan (see struct pass_how) */
	struct snapshot seen;
	struct plan plan;
	struct outcome outcome; /* empty after a PASS_LOOK */
	/* PASS_LOOK_AGAIN, if anything was changed: what came of it, or why that is not known. */
	bool again;
	int again_error; /* -errno */
	struct snapshot seen_again;
	struct plan plan_again;
};

void pass_done(struct pass *p);
/* The world as it is behind the pass. */
static inline const struct snapshot *pass_seen(const struct pass *p)
{
	return p->again ? &p->seen_again : &p->seen;
}
static inline const struct plan *pass_plan(const struct pass *p)
{
	return p->again ? &p->plan_again : &p->plan;
}

struct pass_how {
	const struct root *root;
	struct observer *observer;
	enum pass_flags flags;
	uint64_t fingerprint; /* PASS_EXPECT */
	/* Which facts gave a plan that would do nothing, with this configuration; 0: none. What gave
	 * one is not planned again. NULL: always planned. */
	uint64_t *idle;
	/* Instead of reading the configuration: lends it to the pass, and says in p->seen.held if a
	 * package manager is waited for. 0 or -errno. */
	int (*prepare)(void *userdata, struct pass *p);
	void *userdata;
};

/* 0; 1: the world is another than was expected, and nothing was changed; -errno. All but 0 and
 * -ENOMEM is said. */
int pass_run(const struct pass_how *how, struct pass *ret) _must_check_ _nonnull_all_;
/* Were all changes made, and was everything known? The exit code of a pass (stable API): 0; 1
 * failed or not known; 5 vSMTP would load what others control; 4 a plugin that had a link has none.
 */
int pass_exit_code(const struct pass *p) _nonnull_all_;
