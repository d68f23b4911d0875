/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The service manager, by sd-bus (org.freedesktop.systemd1(5)): what a unit is doing, a job asked
 * for and awaited. By the system bus, or without one by the manager's own socket. Whether there is
 * a manager at all is sys/booted's to say; here a silent one is a failure, to be tried again.
 *
 * Knows: the bus. Must not know: why a unit is to be restarted. Owns: a struct unit_manager owns
 * its connection. */

#include "base/macro.h"
#include "core/snapshot.h"

#define UNIT_EXECUTOR "vsmtp-plugin-reload.service"
#define UNIT_ASKED "vsmtp-plugin-reload.path"
/* A program whose path ends so is ours when it stands in an ExecReload= list. */
#define UNIT_OUR_COMMAND "vsmtp-pluginctl"

struct unit_manager;

/* timeout_usec bounds every single call; that long it also tries again if nobody answers, as when
 * the manager or the bus is started anew. 0 or -errno. */
int unit_manager_open(uint64_t timeout_usec, struct unit_manager **ret) _must_check_ _nonnull_all_;
struct unit_manager *unit_manager_close(struct unit_manager *m);

/* Fills all of *ret but the records. A unit that cannot be asked about is UNIT_UNKNOWN with its
 * error. 0 or -ENOMEM. */
int unit_read(struct unit_manager *m, const char *name, struct unit_facts *ret)
	_must_check_ _nonnull_all_;

/* ResetFailedUnit. 0 (also if there was nothing to reset) or -errno. */
int unit_reset_failed(struct unit_manager *m, const char *name) _must_check_ _nonnull_all_;

enum unit_job {
	UNIT_JOB_TRY_RESTART,
	UNIT_JOB_RELOAD,
	UNIT_JOB_MAX,
};

/* Asks for a job in mode "replace", having subscribed. 0 or -errno. */
int unit_ask_job(struct unit_manager *m, const char *name, enum unit_job job)
	_must_check_ _nonnull_all_;
/* Waits for the JobRemoved signal of that job, at most timeout_usec. *ret_result is the manager's
 * word: "done", "failed", "canceled", "timeout", "dependency", "skipped"... 0, -ETIMEDOUT (it may
 * be called again), -errno. */
int unit_await_job(struct unit_manager *m, uint64_t timeout_usec, char **ret_result)
	_must_check_ _nonnull_all_;

/* StartUnit, and does not wait. 0 or -errno. */
int unit_start(struct unit_manager *m, const char *name) _must_check_ _nonnull_all_;

/* From now on unit_wait() hears of every unit that is read. 0 or -errno. */
int unit_subscribe(struct unit_manager *m) _must_check_ _nonnull_all_;
/* Until something happens to one of these units (then it is read anew by the caller), or `other`
 * (-1: none) can be read from, or CLOCK_MONOTONIC is `deadline_usec`. 0 or -errno. */
int unit_wait(struct unit_manager *m, int other, uint64_t deadline_usec) _must_check_ _nonnull_all_;
