/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/executor.h"

#include "base/str.h"
#include "prog/executor_unit.h"
#include "prog/log.h"
#include "sys/clock.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#define CALL_LIMIT_USEC (10 * USEC_PER_SEC)
#define BARRIER_LIMIT_USEC (20 * USEC_PER_SEC)
#define POLL_USEC (200 * USEC_PER_MSEC)

void executor_look_done(struct executor_look *l)
{
	units_done(&l->units);
	snapshot_done(&l->seen);
	config_done(&l->config);
	*l = (struct executor_look){0};
}

int executor_look(struct executor *x, struct executor_look *ret)
{
	_cleanup_(executor_look_done) struct executor_look l = {0};
	struct config_remarks remarks = {0};
	int r;

	/* Lost since the last look: the manager may have been started anew. */
	if (!x->manager) {
		r = unit_manager_open(CALL_LIMIT_USEC, &x->manager);
		if (r < 0)
			return r;
	}
	r = conf_load(x->root, &l.config, &remarks);
	config_remarks_done(&remarks); /* the daemon and `check` report them */
	if (r >= 0)
		r = observe(x->observer, &l.config, &l.seen);
	if (r >= 0)
		r = units_look(x->root, &l.config, &l.seen, x->manager, &l.units);
	if (r < 0)
		return r;
	*ret = l;
	l = (struct executor_look){0};
	return 0;
}

/* Somebody asked: what was given up is tried again. Taking all signals out is right, since each
 * caller looks afterwards. Returns whether there was any. */
static bool take_requests(struct executor *x)
{
	struct signalfd_siginfo si;
	bool any = false;

	while (read(x->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		any = true;
	for (size_t i = 0; any && i < x->n_units; i++)
		executor_unit_retry(&x->units[i]);
	return any;
}

static void wait_until(struct executor *x, uint64_t due)
{
	struct pollfd p = {.fd = x->signal_fd, .events = POLLIN};
	uint64_t now = clock_usec(CLOCK_MONOTONIC);
	struct timespec t;

	if (due <= now)
		return;
	t = (struct timespec){.tv_sec = (time_t)((due - now) / USEC_PER_SEC),
			      .tv_nsec = (long)((due - now) % USEC_PER_SEC * NSEC_PER_USEC)};
	(void)ppoll(&p, 1, &t, NULL);
}

/* One look, and for each unit what is due. *ret_due: when to look again, USEC_INFINITY if nothing
 * is left to do. 0 or -errno. */
static int step(struct executor *x, uint64_t *ret_due)
{
	_cleanup_(executor_look_done) struct executor_look l = {0};
	uint64_t due = USEC_INFINITY;
	int r = executor_look(x, &l);

	if (r < 0)
		return r;
	for (size_t i = 0; i < l.units.n; i++) {
		struct executor_unit *u = executor_unit_get(x, l.units.items[i].unit.name);
		uint64_t next;

		if (!u)
			return -ENOMEM;
		if (!x->manager) {
			due = 0; /* lost while working on another unit */
			break;
		}
		restart_configure(&u->machine, l.config.settle_usec, l.config.settle_max_usec);
		next = executor_unit_step(x, u, &l, i, clock_usec(CLOCK_MONOTONIC));
		due = MIN(due, next);
	}
	*ret_due = due;
	return 0;
}

/* Looks and works until nothing is owed that could be done. */
static int settle(struct executor *x)
{
	for (;;) {
		uint64_t due;
		int r;

		(void)take_requests(x);
		r = step(x, &due);
		if (r < 0)
			return r;
		if (due == USEC_INFINITY)
			return 0;
		/* Another one's job may end what we wait for, so never sleep for long. */
		wait_until(x, MIN(due, clock_usec(CLOCK_MONOTONIC) + POLL_USEC));
	}
}

/* Tells the manager, and returns when it has taken that in. */
static void tell(const char *state)
{
	int r;

	(void)sd_notify(0, state);
	r = sd_notify_barrier(0, BARRIER_LIMIT_USEC);
	if (r < 0)
		(void)log_errno(LOG_WARNING, r, "the service manager does not take in \"%s\"",
				state);
}

/* While our own reload command (the kill -HUP) still runs, STOPPING=1 is only noted: the unit stays
 * "reloading", and a request would become one more reload of a process that is about to end. */
static void await_stopping(struct executor *x)
{
	uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + CALL_LIMIT_USEC;
	bool reloading = true;

	while (reloading && clock_usec(CLOCK_MONOTONIC) < deadline) {
		_cleanup_(unit_facts_done) struct unit_facts u = {0};

		if (!x->manager || unit_read(x->manager, UNIT_EXECUTOR, &u) < 0)
			return;
		reloading = u.sub_state && str_after(u.sub_state, "reload");
		if (reloading)
			wait_until(x, clock_usec(CLOCK_MONOTONIC) + POLL_USEC / 10);
	}
}

/* Too late to do it here: a waiter for our next start is already queued behind our end. */
static int look_last(struct executor *x)
{
	_cleanup_(executor_look_done) struct executor_look l = {0};
	int r = executor_look(x, &l);

	if (r < 0)
		return r;
	for (size_t i = 0; i < l.units.n; i++) {
		struct executor_unit *u = executor_unit_get(x, l.units.items[i].unit.name);

		if (!u)
			return -ENOMEM;
		if (!executor_unit_wants(u, &l, i))
			continue;
		log_msg(LOG_INFO, "asked again at the last moment: starting anew");
		return unit_ask_executor(x->manager);
	}
	return 0;
}

static int work(struct executor *x)
{
	int r = settle(x);

	if (r < 0)
		return r;
	tell("READY=1");
	do
		r = settle(x);
	while (r >= 0 && take_requests(x));
	if (r < 0)
		return r;
	tell("STOPPING=1");
	await_stopping(x);
	return look_last(x);
}

static void executor_done(struct executor *x)
{
	for (size_t i = 0; i < x->n_units; i++)
		executor_unit_done(&x->units[i]);
	free(x->units);
	observer_free(x->observer);
	unit_manager_close(x->manager);
}

int executor_run(const struct root *root, int signal_fd)
{
	_cleanup_(executor_done) struct executor x = {.root = root, .signal_fd = signal_fd};
	int r = unit_manager_open(CALL_LIMIT_USEC, &x.manager);

	if (r == -ENOTCONN) {
		log_msg(LOG_NOTICE, "no service manager");
		(void)sd_notify(0, "READY=1");
		return EXIT_SUCCESS;
	}
	if (r >= 0)
		r = state_prepare(root);
	if (r >= 0)
		r = observer_new(root, 0, &x.observer);
	if (r >= 0)
		r = work(&x);
	if (r < 0) {
		(void)log_errno(LOG_ERR, r, "the reload could not be seen to");
		return EXIT_FAILURE;
	}
	return x.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
