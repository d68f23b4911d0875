/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemd1.h"

#include <stdarg.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>

void note(struct double1 *d, const char *format, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	line[n++] = '\n';
	if (write(d->log, line, (size_t)n) < 0)
		perror("log");
}

uint64_t usec(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void set_text(char *field, size_t size, const char *value)
{
	(void)snprintf(field, size, "%s", value);
}

struct unit *unit_of(struct double1 *d, const char *name)
{
	struct unit *u;

	for (int i = 0; i < d->n_units; i++)
		if (strcmp(d->units[i].name, name) == 0)
			return &d->units[i];
	if (d->n_units == MAX_UNITS)
		abort();
	u = &d->units[d->n_units++];
	*u = (struct unit){.d = d, .n_result = 1};
	SET(u->name, name);
	SET(u->id, name);
	SET(u->load, strncmp(name, "vsmtp-plugin-reload.", 20) == 0 ? "loaded" : "not-found");
	SET(u->active, strcmp(name, ASKED) == 0 ? "active" : "inactive");
	SET(u->result[0], "done");
	return u;
}

struct unit *unit_by_id(struct double1 *d, const char *id)
{
	for (int i = 0; i < d->n_units; i++)
		if (strcmp(d->units[i].id, id) == 0)
			return &d->units[i];
	return unit_of(d, id);
}

bool is(const struct unit *u, const char *active)
{
	return strcmp(u->active, active) == 0;
}

void set_active(struct unit *u, const char *active)
{
	char *path = NULL;

	SET(u->active, active);
	if (u->d->bus && sd_bus_track_count(u->d->subscribers) > 0 &&
	    sd_bus_path_encode(PATH "/unit", u->id, &path) >= 0)
		(void)!sd_bus_emit_properties_changed(u->d->bus, path, NAME ".Unit", "ActiveState",
						      NULL);
	free(path);
}

/* ---- jobs ---- */

static const char *job_path(uint32_t job, char *buf, size_t size)
{
	(void)snprintf(buf, size, PATH "/job/%u", job);
	return buf;
}

void job_removed(struct unit *u, const char *result)
{
	char path[64];

	note(u->d, "job %s %s", u->name, result);
	if (sd_bus_track_count(u->d->subscribers) > 0)
		sd_bus_emit_signal(u->d->bus, PATH, NAME ".Manager", "JobRemoved", "uoss", u->job,
				   job_path(u->job, path, sizeof(path)), u->id, result);
	u->job = 0;
}

static void run_hook(struct unit *u)
{
	char id[33];
	pid_t pid;
	int status = 0;

	for (int i = 0; i < 16; i++)
		(void)snprintf(id + 2 * i, 3, "%02x", u->invocation[i]);
	note(u->d, "started %s %s", u->name, id);
	if (!u->hook[0])
		return;
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setenv("INVOCATION_ID", id, 1);
		execl("/bin/sh", "sh", "-c", u->hook, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	u->hook_usec = usec(CLOCK_REALTIME);
	u->hook_status = WEXITSTATUS(status);
	note(u->d, "hook %s %d", u->name, u->hook_status);
}

bool start(struct unit *u)
{
	uint64_t now = usec(CLOCK_MONOTONIC);
	int recent = 0;

	for (int i = 0; i < u->n_starts; i++)
		recent += now - u->starts[i] < 10000000;
	if (recent >= START_LIMIT) {
		note(u->d, "start-limit-hit %s", u->name);
		set_active(u, "failed");
		return false;
	}
	if (u->n_starts < 64)
		u->starts[u->n_starts++] = now;
	if (getrandom(u->invocation, 16, 0) != 16)
		abort();
	u->started = true;
	u->start_usec = usec(CLOCK_REALTIME);
	run_hook(u);
	u->main_pid = 4000 + u->n_starts;
	set_active(u, "active");
	return true;
}

void finish(struct unit *u)
{
	const char *result = u->result[u->next_result];
	bool changes = strcmp(result, "canceled") != 0 && strcmp(result, "never") != 0;

	if (u->next_result + 1 < u->n_result)
		u->next_result++;
	if (u->reloading) {
		set_active(u, "active");
		if (strcmp(result, "done") == 0)
			note(u->d, "reloaded %s", u->name);
	} else if (strcmp(result, "done") == 0) {
		result = start(u) ? "done" : "failed";
		if (is(u, "active") && u->linger_ms > 0) {
			set_active(u, "activating");
			u->lingering = true;
			(void)run_later(u, u->linger_ms);
			return;
		}
	} else {
		set_active(u, changes ? "failed" : "active");
	}
	u->reloading = false;
	if (strcmp(result, "never") != 0)
		job_removed(u, result);
	else
		u->job = 0;
}

static int on_timer(sd_event_source *s, uint64_t now, void *userdata)
{
	struct unit *u = userdata;

	(void)s;
	(void)now;
	u->timer = sd_event_source_disable_unref(u->timer);
	if (u->lingering) {
		u->lingering = false;
		set_active(u, "active");
		job_removed(u, "done");
	} else {
		finish(u);
	}
	return 0;
}

int run_later(struct unit *u, int ms)
{
	return sd_event_add_time_relative(u->d->event, &u->timer, CLOCK_MONOTONIC,
					  (uint64_t)ms * 1000, 1, on_timer, u);
}

int reply_job(sd_bus_message *m, uint32_t job)
{
	char path[64];

	return sd_bus_reply_method_return(m, "o", job_path(job, path, sizeof(path)));
}
