/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/manager.h"

#include "base/str.h"
#include "core/restart.h"
#include "prog/asker.h"
#include "prog/holder.h"
#include "prog/log.h"
#include "prog/report.h"
#include "prog/rest.h"
#include "prog/surroundings.h"
#include "sys/clock.h"
#include "sys/facts.h"
#include "sys/observe.h"
#include "sys/state.h"
#include "sys/watch.h"

#include <signal.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

/* How often to look when inotify cannot watch everything. */
#define CLOCK_LOOK_USEC (30 * USEC_PER_SEC)
/* How often to look while a file may change without an event. */
#define WRITER_LOOK_USEC (5 * USEC_PER_SEC)
/* How long at most until what failed is tried again. */
#define FAILED_LOOK_USEC (60 * USEC_PER_SEC)

struct manager {
	const struct root *root;
	struct observer *observer;
	struct watch *watch;
	sd_event *loop;
	sd_event_source *settle; /* when the restart machine is due */
	sd_event_source *clock;  /* looks when inotify cannot */
	struct restart restart;
	struct holder holder;
	struct report report;
	sd_event_source *inotify;
	sd_event_source *mounts;
	struct rest rest;
	uint64_t rest_usec;   /* until then no event makes us look */
	uint64_t mounts_usec; /* and none of the mount table before then */
	struct surroundings around;
	bool news;      /* what inotify told of matters */
	size_t own;     /* events to come of links that we changed: looked at when it is quiet; */
	bool own_names; /* also those of the record, if we wrote it */
	uint64_t idle;  /* struct pass_how */
	char *reload;   /* what is known of the reload, for the state line */
	int daemon_fd;
	uint64_t failed_usec; /* how long what failed has to wait, 0: nothing did */
	bool quiet_clock;     /* the limit was reported */
	bool sandbox_fine;    /* no new directory is on record */
};

static void manager_done(struct manager *m)
{
	sd_event_source_disable_unref(m->settle);
	sd_event_source_disable_unref(m->clock);
	rest_done(&m->rest);
	sd_event_source_disable_unref(m->inotify);
	sd_event_source_disable_unref(m->mounts);
	holder_done(&m->holder);
	observer_free(m->observer);
	watch_free(m->watch);
	sd_event_unref(m->loop);
	report_done(&m->report);
	surroundings_done(&m->around);
	free(m->reload);
	fd_close(m->daemon_fd);
}

static uint64_t now_usec(const struct manager *m)
{
	uint64_t now = 0;

	(void)sd_event_now(m->loop, CLOCK_MONOTONIC, &now);
	return now;
}

/* Sets the timer to when the restart machine is due, or off: an idle daemon has none. */
static int schedule(struct manager *m)
{
	uint64_t due = restart_due_usec(&m->restart);
	int r = 0;

	if (due == USEC_INFINITY)
		return sd_event_source_set_enabled(m->settle, SD_EVENT_OFF);
	r = sd_event_source_set_time(m->settle, due);
	return r < 0 ? r : sd_event_source_set_enabled(m->settle, SD_EVENT_ONESHOT);
}

/* When to look though nothing has happened; USEC_INFINITY: not at all. */
static uint64_t clock_due(struct manager *m, const struct pass *p)
{
	uint64_t due = USEC_INFINITY;

	if (watch_limited(m->watch))
		due = CLOCK_LOOK_USEC;
	else if (facts_any_wait_for_the_clock(&p->seen))
		due = WRITER_LOOK_USEC;
	/* A change that failed is owed: tried again, ever less often. */
	m->failed_usec = outcome_is_owed(&p->outcome)
				 ? MIN(MAX(m->failed_usec * 2, USEC_PER_SEC), FAILED_LOOK_USEC)
				 : 0;
	return m->failed_usec > 0 ? MIN(due, m->failed_usec) : due;
}

/* Where inotify cannot tell, the clock does. That inotify is full is said once, with what to do. */
static int mind_the_clock(struct manager *m, const struct pass *p)
{
	int limited = watch_limited(m->watch), r;
	uint64_t due = clock_due(m, p);

	if (due == USEC_INFINITY) {
		m->quiet_clock = false;
		return sd_event_source_set_enabled(m->clock, SD_EVENT_OFF);
	}
	if (limited && !m->quiet_clock)
		log_errno(LOG_WARNING, limited,
			  "Cannot watch every directory; looking every %llu s instead (raise "
			  "the sysctl fs.inotify.max_user_watches)",
			  (unsigned long long)(CLOCK_LOOK_USEC / USEC_PER_SEC));
	m->quiet_clock = limited != 0;
	r = sd_event_source_set_time_relative(m->clock, due);
	return r < 0 ? r : sd_event_source_set_enabled(m->clock, SD_EVENT_ONESHOT);
}

/* A directory that was made after we started lies outside our writable mounts: a fresh start mends
 * that, before there is something to write. Not while a package manager works, unless it must be:
 * what runs before that start would not take the directory over then. Once for each such directory,
 * so that one that stays read-only is no restart loop. */
static int mind_the_sandbox(struct manager *m, const struct pass *p)
{
	_cleanup_free_ char *key = NULL, *before = NULL;
	int r;

	if (!outcome_is_read_only(&p->outcome) &&
	    (p->seen.held || !state_directory_read_only(m->root, p->config.links))) {
		/* In order again: the next new directory is worth a fresh start again. */
		if (p->plan.directory == PLAN_DIRECTORY_FINE && !m->sandbox_fine && !p->seen.held)
			m->sandbox_fine =
				state_write_text(m->root, STATE_FILE_NEW_DIRECTORY, "") >= 0;
		return 0;
	}
	r = state_directory_key(m->root, p->config.links, &key);
	if (r >= 0)
		r = state_read_text(m->root, STATE_FILE_NEW_DIRECTORY, &before);
	if (r < 0 || !getenv("NOTIFY_SOCKET") || str_eq(key, before))
		return r == -ENOMEM ? r : 0;
	m->sandbox_fine = false;
	r = state_write_text(m->root, STATE_FILE_NEW_DIRECTORY, key);
	if (r < 0)
		return 0; /* without the record it could become a loop */
	log_msg(LOG_NOTICE, "%s is new and read-only to this process; starting afresh",
		p->config.links);
	return sd_event_exit(m->loop, MANAGER_EXIT_NEW_DIRECTORY);
}

static int tell(struct manager *m, const struct pass *p)
{
	const struct report_state state = {
		.watch_error = watch_limited(m->watch),
		.reload = m->reload,
		.held = holder_holds(&m->holder) ? &m->holder.lock : NULL,
		.held_since_usec = m->holder.since_usec,
	};

	return report_state(&m->report, m->root, p, &state);
}

/* Everything may have changed, also what is asked of the world. */
static void doubt_all(struct manager *m)
{
	surroundings_doubt(&m->around);
	observer_doubt_all(m->observer);
}

/* What goes before a look, in a pass or for itself. */
static int prepare(void *userdata, struct pass *p)
{
	struct manager *m = userdata;
	const struct config *c = &m->around.config;
	int r = surroundings_read(&m->around, m->root, m->watch);

	if (r > 0) {
		observer_doubt_all(m->observer);
		m->idle = 0;
		restart_configure(&m->restart, c->settle_usec, c->settle_max_usec);
	}
	if (r >= 0)
		r = holder_ask(&m->holder, m->root, c->hold_max_usec);
	if (r < 0)
		return r;
	surroundings_lend(&m->around, p);
	p->seen.held = holder_holds(&m->holder);
	return 0;
}

static int run(struct manager *m, enum pass_flags flags, struct pass *p)
{
	const struct pass_how how = {
		.root = m->root,
		.observer = m->observer,
		.flags = flags,
		.idle = &m->idle,
		.prepare = prepare,
		.userdata = m,
	};

	return pass_run(&how, p);
}

static int one_pass(struct manager *m)
{
	_cleanup_(pass_done) struct pass p = {0};
	uint64_t begun = clock_usec(CLOCK_MONOTONIC);
	int r = run(m, PASS_CHANGE | PASS_LOG, &p);

	m->own = p.seen.held || m->restart.failures > 0 ? 0 : outcome_count_events(&p.outcome);
	m->own_names = m->own > 0 && p.outcome.names_written;
	m->rest_usec = 2 * clock_usec(CLOCK_MONOTONIC) - begun;
	if (r >= 0)
		r = mind_the_clock(m, &p);
	if (r < 0 || p.idle)
		return r;
	r = report_pass(&m->report, &p);
	if (r >= 0)
		r = tell(m, &p);
	return r < 0 ? r : mind_the_sandbox(m, &p);
}

/* What a pass is followed by: a reload is asked for once it is quiet, but not while held. */
static int ask_later(struct manager *m)
{
	if (holder_holds(&m->holder))
		restart_drop(&m->restart);
	else
		restart_ask(&m->restart, now_usec(m));
	return schedule(m);
}

/* A pass that failed (no memory, no descriptors) is tried again by the clock. */
static int pass_and_ask(struct manager *m)
{
	int r = one_pass(m);

	if (r < 0) {
		(void)sd_event_source_set_time_relative(m->clock, CLOCK_LOOK_USEC);
		(void)sd_event_source_set_enabled(m->clock, SD_EVENT_ONESHOT);
	}
	return ask_later(m);
}

static int on_settled(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct manager *m = userdata;
	_cleanup_(pass_done) struct pass p = {0};
	const char *word = NULL;
	int r;

	if (holder_ask(&m->holder, m->root, m->around.config.hold_max_usec) >= 0 &&
	    holder_holds(&m->holder))
		return pass_and_ask(m); /* to say so; the lock's event goes on from here */
	if (!restart_begin(&m->restart, now_usec(m)))
		return schedule(m);
	m->idle = 0;
	r = run(m, PASS_LOOK, &p);
	/* Something moved whose event we have not read yet, or the record of names fell behind. */
	if (r >= 0 && (plan_changes(&p.plan) > 0 || p.plan.names_changed)) {
		pass_done(&p);
		r = one_pass(m);
	} else if (r >= 0) {
		r = asker_ask(m->root, &p, &word);
	}
	if (r < 0)
		log_errno(LOG_WARNING, r,
			  "Cannot ask whether vSMTP is owed a reload; trying again");
	if (r >= 0 && !str_eq(word, m->reload))
		r = str_replace(&m->reload, word);
	restart_end(&m->restart, now_usec(m), r < 0 ? RESTART_RESULT_FAILED : RESTART_RESULT_DONE);
	if (p.config.links)
		(void)tell(m, &p);
	return schedule(m);
}

static int on_news(void *userdata, unsigned subject, const char *dir, const char *name)
{
	struct manager *m = userdata;
	bool own;
	int r = 1;

	if (subject == WATCH_CONFIG)
		m->around.config_in_doubt = true;
	else if (subject == WATCH_LOCKS)
		doubt_all(m); /* what a package manager did may be beyond all watches */
	else
		r = observer_doubt(m->observer, subject, dir, name);
	own = r > 0 && name &&
	      ((subject == WATCH_LINKS && m->own > 0) || (subject == WATCH_NAMES && m->own_names));
	m->own -= own && subject == WATCH_LINKS && !name_is_temporary(name);
	m->news = m->news || (r > 0 && !own);
	return MIN(r, 0);
}

static int on_inotify(sd_event_source *s, int fd _unused_, uint32_t events _unused_, void *userdata)
{
	struct manager *m = userdata;
	int r = rest_is_over(&m->rest, m->rest_usec, s);

	if (r <= 0)
		return r;
	m->news = false;
	r = watch_read(m->watch, on_news, m);
	m->own = m->own_names = 0;
	if (r < 0)
		log_errno(LOG_ERR, r, "Cannot read inotify events; looking at everything");
	if (r != 0)
		doubt_all(m);
	else if (!m->news) /* at most our own */
		return ask_later(m);
	r = pass_and_ask(m);
	return r < 0 ? r : holder_ask_again(&m->holder);
}

/* The table is read at a bounded rate: a machine with thousands of mounts changes it always. */
#define MOUNTS_REST 40

static int on_mounts(sd_event_source *s, int fd _unused_, uint32_t events _unused_, void *userdata)
{
	struct manager *m = userdata;
	uint64_t begun = clock_usec(CLOCK_MONOTONIC);
	int r = rest_is_over(&m->rest, m->mounts_usec, s);

	if (r <= 0)
		return r;
	r = watch_mounts_moved(m->watch);
	m->mounts_usec = (MOUNTS_REST + 1) * clock_usec(CLOCK_MONOTONIC) - MOUNTS_REST * begun;
	if (r == 0)
		return 0;
	doubt_all(m);
	return pass_and_ask(m);
}

/* The clock's turn, or the holder's: it has lasted too long. */
static int on_clock(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	return pass_and_ask(userdata);
}

static int on_hangup(sd_event_source *s _unused_, const struct signalfd_siginfo *si _unused_,
		     void *userdata)
{
	struct manager *m = userdata;
	int r;

	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)now_usec(m));
	doubt_all(m);
	observer_forget(m->observer);
	asker_forget(m->root);
	r = pass_and_ask(m);
	(void)sd_notify(0, "READY=1");
	return r;
}

static int on_end(sd_event_source *s, const struct signalfd_siginfo *si _unused_,
		  void *userdata _unused_)
{
	(void)sd_notify(0, "STOPPING=1");
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

static int add_sources(struct manager *m)
{
	int r = sd_event_add_io(m->loop, &m->inotify, watch_fd(m->watch), EPOLLIN, on_inotify, m);

	if (r >= 0 && watch_mounts_fd(m->watch) >= 0)
		r = sd_event_add_io(m->loop, &m->mounts, watch_mounts_fd(m->watch), EPOLLPRI,
				    on_mounts, m);
	if (r >= 0)
		r = sd_event_add_signal(m->loop, NULL, SIGHUP, on_hangup, m);
	if (r >= 0)
		r = sd_event_add_signal(m->loop, NULL, SIGTERM, on_end, m);
	if (r >= 0)
		r = sd_event_add_signal(m->loop, NULL, SIGINT, on_end, m);
	if (r >= 0)
		r = sd_event_add_time(m->loop, &m->settle, CLOCK_MONOTONIC, USEC_INFINITY, 1,
				      on_settled, m);
	if (r >= 0)
		r = sd_event_add_time(m->loop, &m->clock, CLOCK_MONOTONIC, USEC_INFINITY,
				      USEC_PER_SEC, on_clock, m);
	if (r >= 0)
		r = rest_init(&m->rest, m->loop, m->mounts, on_mounts, m);
	if (r >= 0)
		r = holder_init(&m->holder, m->loop, on_clock, m);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->settle, SD_EVENT_OFF);
	return r < 0 ? r : sd_event_source_set_enabled(m->clock, SD_EVENT_OFF);
}

static int become_the_daemon(struct manager *m)
{
	int r = state_prepare(m->root);

	if (r >= 0)
		r = m->daemon_fd = state_take_role(m->root, STATE_ROLE_DAEMON, STATE_WAIT_NOT);
	if (r == -EBUSY) {
		log_msg(LOG_ERR, "Another vsmtp-plugind serves this tree already (pid %d)",
			state_role_pid(m->root, STATE_ROLE_DAEMON));
		return r;
	}
	return r < 0 ? log_errno(LOG_ERR, r, "Cannot write to " STATE_RUN_DIR) : 0;
}

static int start(struct manager *m, enum server_flags flags)
{
	int r = sd_event_default(&m->loop);

	if (r >= 0)
		r = observer_new(m->root, flags | SERVER_CONFINED, &m->observer);
	if (r < 0)
		return log_errno(LOG_ERR, r, "Cannot start");
	r = watch_new(m->root, &m->watch);
	if (r < 0)
		return log_errno(LOG_ERR, r,
				 "Cannot use inotify (raise sysctl fs.inotify.max_user_instances)");
	observer_set_watch(m->observer, m->watch);
	doubt_all(m);
	restart_init(&m->restart, 0, 0);
	r = add_sources(m);
	return r < 0 ? log_errno(LOG_ERR, r, "Cannot start") : 0;
}

int manager_run(const struct root *root, enum server_flags flags)
{
	_cleanup_(manager_done) struct manager m = {.root = root, .daemon_fd = -EBADF};
	int r = become_the_daemon(&m);

	if (r >= 0)
		r = start(&m, flags);
	if (r < 0)
		return r;
	r = pass_and_ask(&m);
	if (r >= 0)
		r = watch_mounts_moved(m.watch); /* the table as it is now is no news */
	if (r >= 0)
		(void)sd_notify(0, "READY=1");
	return r < 0 ? r : sd_event_loop(m.loop);
}
