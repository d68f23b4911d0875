/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemd1.h"

#include <sys/socket.h>
#include <sys/wait.h>

/* ---- the executor ---- */

static void executor_state(struct double1 *d, const char *state)
{
	SET(unit_of(d, EXECUTOR)->active, state);
}

static int on_executor_exit(sd_event_source *s, const siginfo_t *si, void *userdata);

static void executor_spawn(struct double1 *d)
{
	struct unit *u = unit_of(d, EXECUTOR);

	d->queued = false;
	executor_state(d, "activating");
	d->pid = fork();
	if (d->pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setenv("NOTIFY_SOCKET", d->notify_path, 1);
		setenv("INVOCATION_ID", "00000000000000000000000000000001", 1);
		execl(d->command, d->command, NULL);
		_exit(127);
	}
	note(d, "executor spawned %d", d->pid);
	u->main_pid = d->pid;
	if (sd_event_add_child(d->event, NULL, d->pid, WEXITED, on_executor_exit, d) < 0)
		abort();
}

static int on_executor_exit(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct double1 *d = userdata;
	struct unit *u = unit_of(d, EXECUTOR);
	bool ready = !is(u, "activating");

	(void)s;
	note(d, "executor exit %s%d", si->si_code == CLD_EXITED ? "" : "signal ", si->si_status);
	executor_state(d, si->si_status == 0 ? "inactive" : "failed");
	d->pid = 0;
	if (u->job && !d->queued)
		job_removed(u, ready ? "canceled" : "failed");
	if (d->queued)
		executor_spawn(d);
	return 0;
}

int ask_executor(sd_bus_message *m, struct double1 *d)
{
	struct unit *u = unit_of(d, EXECUTOR);
	bool merged = is(u, "activating") || d->queued, hup = !merged && is(u, "active");

	if (strcmp(u->load, "masked") == 0)
		return sd_bus_reply_method_errorf(m, NAME ".UnitMasked", "Unit %s is masked.",
						  EXECUTOR);
	if (!merged)
		u->job = ++d->last_job;
	if (merged) {
		note(d, "executor merged");
	} else if (hup) {
		note(d, "executor hup");
		kill(d->pid, SIGHUP);
	} else if (is(u, "deactivating")) {
		note(d, "executor queued");
		d->queued = true;
	} else {
		executor_spawn(d);
	}
	reply_job(m, u->job); /* after the notes: who asked can count on them */
	if (hup)
		job_removed(u, "done");
	return 1;
}

int on_notify(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct double1 *d = userdata;
	struct unit *u = unit_of(d, EXECUTOR);
	char text[2048], control[CMSG_SPACE(sizeof(int) * 4)];
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text) - 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;

	(void)s;
	(void)revents;
	if (n < 0)
		return 0;
	text[n] = '\0';
	for (char *save = NULL, *l = strtok_r(text, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save)) {
		note(d, "notify %s", l);
		if (strcmp(l, "READY=1") == 0 && is(u, "activating")) {
			executor_state(d, "active");
			job_removed(u, "done");
		} else if (strcmp(l, "STOPPING=1") == 0 && is(u, "active")) {
			executor_state(d, "deactivating");
		}
	}
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS) {
		int barrier = -1;

		memcpy(&barrier, CMSG_DATA(c), sizeof(barrier));
		if (d->hold && is(u, d->hold)) {
			note(d, "executor held");
			d->held = barrier;
		} else {
			close(barrier); /* that is the answer */
		}
	}
	return 0;
}

/* ---- control ---- */

static void words(char *text, char *out, size_t size, int max, int *n)
{
	*n = 0;
	for (char *save = NULL, *w = strtok_r(text, " ", &save); w && *n < max;
	     w = strtok_r(NULL, " ", &save))
		set_text(out + size * (size_t)(*n)++, size, w);
}

static void apply_executor(struct double1 *d, const char *key, const char *value)
{
	if (strcmp(key, "command") == 0) {
		SET(d->command, value);
	} else if (strcmp(key, "freeze") == 0) {
		SET(d->freeze, value);
	} else if (strcmp(key, "thaw") == 0) {
		kill(d->pid, SIGCONT);
	} else if (strcmp(key, "hold") == 0) {
		d->hold = "deactivating";
	} else if (strcmp(key, "hold-ready") == 0) {
		d->hold = "active";
	} else if (strcmp(key, "release") == 0) {
		d->hold = NULL;
		if (d->held >= 0)
			close(d->held);
		d->held = -1;
	}
}

void apply(struct double1 *d, const char *text)
{
	char name[128], key[32], value[512] = "";
	struct unit *u;

	if (sscanf(text, "%127s %31s %511[^\n]", name, key, value) < 2)
		return;
	if (strcmp(name, "executor") == 0) {
		apply_executor(d, key, value);
		return;
	}
	u = unit_of(d, name);
	if (strcmp(key, "load") == 0)
		SET(u->load, value);
	else if (strcmp(key, "active") == 0)
		SET(u->active, value);
	else if (strcmp(key, "hook") == 0)
		SET(u->hook, value);
	else if (strcmp(key, "delay") == 0)
		u->delay_ms = atoi(value);
	else if (strcmp(key, "linger") == 0)
		u->linger_ms = atoi(value);
	else if (strcmp(key, "reload") == 0)
		words(value, u->reload[0], sizeof(u->reload[0]), 4, &u->n_reload);
	else if (strcmp(key, "result") == 0) {
		u->next_result = 0;
		words(value, u->result[0], sizeof(u->result[0]), 8, &u->n_result);
	} else if (strcmp(key, "start") == 0) {
		SET(u->load, "loaded");
		u->n_starts = 0;
		(void)start(u);
	}
}
