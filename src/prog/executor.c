/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/executor.h"

#include "base/str.h"
#include "core/restart.h"
#include "prog/executor_unit.h"
#include "prog/log.h"
#include "sys/asked.h"
#include "sys/booted.h"
#include "sys/clock.h"
#include "sys/state.h"

#include <poll.h>

#define CALL_LIMIT_USEC (10 * USEC_PER_SEC)
/* How many of the last words are kept for who reads them late. */
#define ANSWERED_MAX 64

void executor_look_done(struct executor_look *l)
{
	units_done(&l->units);
	pass_done(&l->pass);
}

/* Who is not connected says so of every unit, and tries again. */
static struct units_source connect_manager(struct executor *x)
{
	int r = x->manager ? 0 : unit_manager_open(CALL_LIMIT_USEC, &x->manager);

	if (r >= 0)
		r = unit_subscribe(x->manager);
	if (r < 0)
		x->manager = unit_manager_close(x->manager);
	return (struct units_source){.manager = x->manager, .error = r};
}

int executor_look(struct executor *x, struct executor_look *ret)
{
	_cleanup_(executor_look_done) struct executor_look l = {0};
	_cleanup_(requests_done) struct requests listed = {0};
	const struct pass_how how = {.root = x->root, .observer = x->observer};
	const struct units_source from = connect_manager(x);
	/* Listed before anything is looked at: what is answered then was seen. */
	int r = asked_read(x->root, &listed);

	if (r >= 0)
		r = pass_run(&how, &l.pass);
	if (r >= 0)
		r = units_read(x->root, &l.pass, &from, &l.units);
	if (r < 0)
		return r;
	(void)hold_see(&x->hold, &l.units.lock, l.pass.config.hold_max_usec,
		       clock_usec(CLOCK_BOOTTIME));
	if (x->hold.state != HOLD_HOLDING) /* nobody is at work, or for too long */
		l.units.lock.path = NULL;
	requests_done(&l.units.requests);
	l.units.requests = TAKE(listed);
	*ret = TAKE(l);
	return 0;
}

/* ---- the answer ---- */

/* What all units that the request is about come to. */
static int add_answer(const struct executor *x, const struct executor_look *l,
		      const struct request *q, struct answer *to)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	struct answered a = {.name = q->name, .word = ANSWER_NOTHING_OWED};
	bool any = false;
	int r;

	for (size_t i = 0; i < x->n_units; i++) {
		const struct executor_unit *u = &x->units[i];
		size_t at = 0;

		while (at < l->units.n && !str_eq(unit_facts_id(&l->units.items[at].unit), u->name))
			at++;
		if (at == l->units.n || !request_is_about(q, &l->units.items[at].unit))
			continue;
		a.word = any ? answer_join(a.word, u->word) : u->word;
		if (!any || a.word == u->word) {
			a.why = u->why;
			a.until_usec = u->until_usec;
		}
		buf_add(&b, any ? "; " : "");
		buf_add(&b, u->text);
		any = true;
	}
	if (!any)
		buf_add(&b, "no such unit is in Unit=");
	r = buf_take(&b, &text);
	a.text = text;
	return r < 0 ? r : answer_add(to, &a);
}

static int make_answer(struct executor *x, const struct executor_look *l, struct answer *ret)
{
	_cleanup_(answer_done) struct answer a = {.pid = getpid()};
	int r = 0;

	for (size_t i = 0; i < l->units.requests.n && r >= 0; i++)
		r = add_answer(x, l, &l->units.requests.items[i], &a);
	for (size_t i = 0; i < x->answered.n && i < ANSWERED_MAX && r >= 0; i++)
		if (!answer_find(&a, x->answered.items[i].name))
			r = answer_add(&a, &x->answered.items[i]);
	if (r < 0)
		return r;
	*ret = TAKE(a);
	return 0;
}

int executor_answer(struct executor *x, const struct executor_look *l)
{
	_cleanup_(answer_done) struct answer a = {0};
	int r = make_answer(x, l, &a);

	return r < 0 ? r : answer_write(x->root, &a);
}

/* The last word is written: what it was about is done with. */
static int end_requests(struct executor *x, const struct executor_look *l)
{
	struct answer a = {0};
	int r = make_answer(x, l, &a);

	if (r >= 0) {
		answer_done(&x->answered);
		x->answered = a;
	}
	for (size_t i = 0; i < l->units.requests.n && r >= 0; i++)
		r = asked_remove(x->root, l->units.requests.items[i].name);
	return r;
}

/* ---- its life ---- */

/* Until then, or until somebody asks, or something happens to a unit. */
static void wait_until(struct executor *x, uint64_t due)
{
	struct pollfd p = {.fd = x->watch_fd, .events = POLLIN};
	uint64_t now = clock_usec(CLOCK_BOOTTIME), left = due > now ? due - now : 0;
	const struct timespec t = clock_timespec(left);
	char events[4096];
	int r = 0;

	if (left > 0 && x->manager)
		r = unit_wait(x->manager, x->watch_fd, clock_usec(CLOCK_MONOTONIC) + left);
	else if (left > 0)
		(void)ppoll(&p, 1, &t, NULL);
	if (r < 0)
		x->manager = unit_manager_close(x->manager);
	while (read(x->watch_fd, events, sizeof(events)) > 0)
		;
}

/* One look, and for each unit what is due. *ret_due: when to look again, USEC_INFINITY if all that
 * the look had listed is answered. 0 or -errno. */
static int step(struct executor *x, uint64_t *ret_due)
{
	_cleanup_(executor_look_done) struct executor_look l = {0};
	uint64_t due = USEC_INFINITY;
	int r = executor_look(x, &l);

	for (size_t i = 0; i < l.units.n && r >= 0; i++) {
		struct executor_unit *u =
			executor_unit_get(x, unit_facts_id(&l.units.items[i].unit));
		uint64_t next = 0;

		r = u ? executor_unit_step(x, u, &l, i, &next) : -ENOMEM;
		due = MIN(due, next);
	}
	if (r >= 0)
		r = executor_answer(x, &l);
	if (r >= 0 && due == USEC_INFINITY)
		r = end_requests(x, &l);
	if (r >= 0)
		*ret_due = due;
	return r;
}

/* Answered: is there anything that came meanwhile, or that cannot be answered? 0: nothing. */
static int more_to_do(struct executor *x, uint64_t *ret_due)
{
	_cleanup_(requests_done) struct requests left = {0};
	int r = asked_read(x->root, &left);

	if (r < 0)
		return r;
	if (left.n > 0) {
		*ret_due = 0;
		return 1;
	}
	if (left.not_known == 0)
		return 0;
	if (!x->said_not_known)
		log_msg(LOG_WARNING,
			"%zu request%s in " STATE_RUN_DIR "/asked not understood, and left there",
			left.not_known, left.not_known == 1 ? " is" : "s are");
	x->said_not_known = true;
	*ret_due = clock_usec(CLOCK_BOOTTIME) + RESTART_BACKOFF_MAX_USEC;
	return 1;
}

static void work(struct executor *x)
{
	for (;;) {
		uint64_t due = USEC_INFINITY;
		int r = step(x, &due);

		if (r >= 0 && due == USEC_INFINITY) {
			r = more_to_do(x, &due);
			if (r == 0)
				return;
		}
		if (r >= 0) {
			x->failures = 0;
		} else {
			if (x->failures++ == 0)
				(void)log_errno(
					LOG_ERR, r,
					"what was asked for cannot be seen to; trying again");
			due = clock_usec(CLOCK_BOOTTIME) + restart_backoff_usec(x->failures);
		}
		wait_until(x, due);
	}
}

static void executor_done(struct executor *x)
{
	for (size_t i = 0; i < x->n_units; i++)
		executor_unit_done(&x->units[i]);
	free(x->units);
	answer_done(&x->answered);
	observer_free(x->observer);
	unit_manager_close(x->manager);
	fd_close(x->watch_fd);
	fd_close(x->lock_fd);
}

/* What the one before had answered last; without it only who is late misses something. */
static int take_over_answers(struct executor *x)
{
	_cleanup_(answer_done) struct answer a = {0};
	int r = answer_read(x->root, &a);

	for (size_t i = 0; i < a.n && r >= 0; i++)
		if (answer_is_last(a.items[i].word))
			r = answer_add(&x->answered, &a.items[i]);
	return r == -ENOMEM ? r : 0;
}

int executor_run(const struct root *root)
{
	_cleanup_(executor_done) struct executor x = {
		.root = root,
		.lock_fd = -EBADF,
		.watch_fd = -EBADF,
		.begun_usec = clock_usec(CLOCK_BOOTTIME),
	};
	int r;

	if (!booted(root)) {
		log_msg(LOG_NOTICE, "no service manager");
		return EXIT_SUCCESS;
	}
	r = state_prepare(root);
	if (r >= 0)
		r = x.lock_fd = state_take_role(root, STATE_ROLE_EXECUTOR, STATE_WAIT);
	if (r >= 0)
		r = x.watch_fd = asked_watch(root);
	if (r >= 0)
		r = observer_new(root, 0, &x.observer);
	if (r >= 0)
		r = take_over_answers(&x);
	if (r < 0) {
		(void)log_errno(LOG_ERR, r, "cannot see to what is asked for");
		return EXIT_FAILURE;
	}
	work(&x);
	return EXIT_SUCCESS;
}
