/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One pass: observe, plan, apply. No clock and no event loop: a function of root and configuration,
 * the same for daemon, command and start hook.
 *
 * Knows: the order of the layers below. Must not know: time, who asked, output.
 * Owns: a struct pass owns all it holds. */

#include "base/macro.h"
#include "core/config.h"
#include "core/outcome.h"
#include "core/plan.h"
#include "sys/fs.h"
#include "sys/observe.h"

struct pass {
	struct config config;
	struct config_remarks remarks;
	struct snapshot seen;
	struct plan plan;
	struct outcome outcome; /* empty after pass_look() */
};

void pass_done(struct pass *p);

/* What pass_look() does before plan_make(): p->config and p->remarks; then p->seen. Between them
 * who waits for package managers says so in p->seen.held. 0 or -errno; p is to be done. */
int pass_configure(const struct root *r, struct pass *p) _must_check_ _nonnull_all_;
int pass_observe(struct observer *o, struct pass *p) _must_check_ _nonnull_all_;
/* Plans, unless *idle says that a plan of just these facts (and of this configuration) was to do
 * nothing. 1, 0 if so; then p->plan is empty. -ENOMEM. */
int pass_plan(struct pass *p, uint64_t *idle) _must_check_ _nonnull_all_;
/* Reads the configuration, looks and plans; ret->seen.held goes in. Writes nothing, takes no lock.
 * 0 or -errno. */
int pass_look(const struct root *r, struct observer *o, struct pass *ret)
	_must_check_ _nonnull_all_;
/* Does p's plan; the caller holds the lock since before pass_look(). 0 or -errno. */
int pass_apply(const struct root *r, struct pass *p) _must_check_ _nonnull_all_;
/* After apply(): if any link was changed, the generation grows. The caller holds the lock. */
void pass_count(const struct root *r, const struct pass *p) _nonnull_all_;
/* Takes the lock of all passes and says who holds it if that takes long (LOCK_LIMIT_USEC at most).
 * An fd whose closing lets go, or -errno, said. */
#define LOCK_LIMIT_USEC (30 * USEC_PER_SEC)
int pass_lock(const struct root *r) _must_check_ _nonnull_all_;
/* Both under the lock: the whole of a pass. 0 or -errno. */
int pass_run(const struct root *r, struct observer *o, struct pass *ret) _must_check_ _nonnull_all_;
/* Were all changes made, and was everything known? The exit code of a pass (stable API): 0; 1
 * failed or not known; 5 vSMTP would load what others control; 4 a plugin that had a link has none.
 */
int pass_exit_code(const struct pass *p) _nonnull_all_;
