/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The service manager, by sd-bus (org.freedesktop.systemd1(5)): what a unit is doing, one job asked
 * for and awaited, and the executor's unit asked for and not awaited. By the system bus, or without
 * one by the manager's own socket.
 *
 * No bus and no manager is an answer (-ENOTCONN from unit_manager_open), not a failure.
 *
 * Knows: the bus. Must not know: why a unit is to be restarted. Owns: a struct unit_manager owns
 * its connection. */

#include "base/macro.h"
#include "core/snapshot.h"

#define UNIT_EXECUTOR "vsmtp-plugin-reload.service"
/* A program whose path ends so is ours when it stands in an ExecReload= list. */
#define UNIT_OUR_COMMAND "vsmtp-pluginctl"

struct unit_manager;

/* timeout_usec bounds every single call. 0, -ENOTCONN (no service manager), -errno. */
int unit_manager_open(uint64_t timeout_usec, struct unit_manager **ret) _must_check_ _nonnull_all_;
struct unit_manager *unit_manager_close(struct unit_manager *m);

/* Fills name, state, sub_state, invocation, start_usec, own_reload, main_pid, error of *ret. A unit
 * that cannot be asked about is UNIT_UNKNOWN with its error. 0 or -ENOMEM. */
int unit_read(struct unit_manager *m, const char *name, struct unit_facts *ret)
	_must_check_ _nonnull_all_;

/* ResetFailedUnit. 0 (also if there was nothing to reset) or -errno. */
int unit_reset_failed(struct unit_manager *m, const char *name) _must_check_ _nonnull_all_;

enum unit_job {
	UNIT_JOB_TRY_RESTART,
	UNIT_JOB_RELOAD,
	UNIT_JOB_MAX,
};

/* Asks for a job in mode "replace", having subscribed first, and waits for its JobRemoved signal,
 * at most timeout_usec. *ret_result is the manager's word: "done", "failed", "canceled", "timeout",
 * "dependency", "skipped"... 0, -ETIMEDOUT, -errno. */
int unit_run_job(struct unit_manager *m, const char *name, enum unit_job job, uint64_t timeout_usec,
		 char **ret_result) _must_check_ _nonnull_all_;

/* ReloadOrRestartUnit of the executor, mode "replace". Never waits for the job. 0 or -errno. */
int unit_ask_executor(struct unit_manager *m) _must_check_ _nonnull_all_;
/* The same, and waits for that job. Result as unit_run_job(). */
int unit_ask_executor_and_wait(struct unit_manager *m, uint64_t timeout_usec, char **ret_result)
	_must_check_ _nonnull_all_;
