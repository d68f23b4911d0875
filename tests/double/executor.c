/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemd1.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/wait.h>

/* ---- the executor ---- */

static int on_executor_exit(sd_event_source *s, const siginfo_t *si, void *userdata);

static void spawn(struct double1 *d)
{
	struct unit *u = unit_of(d, EXECUTOR);

	set_active(u, "active");
	d->pid = fork();
	if (d->pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setenv("INVOCATION_ID", "00000000000000000000000000000001", 1);
		execl(d->command, d->command, NULL);
		_exit(127);
	}
	note(d, "executor spawned %d", d->pid);
	u->main_pid = d->pid;
	if (sd_event_add_child(d->event, NULL, d->pid, WEXITED, on_executor_exit, d) < 0)
		abort();
}

/* As DirectoryNotEmpty=: names that begin with a dot do not count. */
static bool is_asked(const struct double1 *d)
{
	DIR *dir = d->asked[0] ? opendir(d->asked) : NULL;
	bool found = false;

	for (struct dirent *e; dir && (e = readdir(dir));)
		found = found || e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return found;
}

/* The path unit's own work: again, as long as something lies there. */
static void look_asked(struct double1 *d)
{
	struct unit *u = unit_of(d, EXECUTOR), *path = unit_of(d, ASKED);

	if (d->pid == 0 && is(path, "active") && strcmp(u->load, "loaded") == 0 && is_asked(d))
		spawn(d);
}

static int on_asked(sd_event_source *s, const struct inotify_event *e, void *userdata)
{
	(void)s;
	(void)e;
	look_asked(userdata);
	return 0;
}

static int on_executor_exit(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct double1 *d = userdata;

	(void)s;
	note(d, "executor exit %s%d", si->si_code == CLD_EXITED ? "" : "signal ", si->si_status);
	d->pid = 0;
	set_active(unit_of(d, EXECUTOR), si->si_status == 0 ? "inactive" : "failed");
	look_asked(d);
	return 0;
}

int start_ours(sd_bus_message *m, struct double1 *d, const char *name)
{
	struct unit *u = unit_of(d, name);

	if (strcmp(u->load, "masked") == 0)
		return sd_bus_reply_method_errorf(m, NAME ".UnitMasked", "Unit %s is masked.",
						  name);
	if (strcmp(name, ASKED) == 0) {
		set_active(u, "active");
		look_asked(d);
	} else if (d->pid == 0) {
		spawn(d);
	}
	return reply_job(m, ++d->last_job);
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
	} else if (strcmp(key, "asked") == 0) {
		SET(d->asked, value);
		if (sd_event_add_inotify(d->event, NULL, value, IN_MOVED_TO | IN_CREATE, on_asked,
					 d) < 0)
			abort();
	} else if (strcmp(key, "kill") == 0 && d->pid > 0) {
		kill(d->pid, SIGKILL);
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
	if (strcmp(key, "load") == 0) {
		SET(u->load, value);
		look_asked(d);
	} else if (strcmp(key, "active") == 0)
		set_active(u, value);
	else if (strcmp(key, "name") == 0)
		SET(u->id, value);
	else if (strcmp(key, "job") == 0 && atoi(value) > 0)
		u->job = (uint32_t)atoi(value);
	else if (strcmp(key, "job") == 0)
		job_removed(u, "done");
	else if (strcmp(key, "hook") == 0)
		SET(u->hook, value);
	else if (strcmp(key, "drop-in") == 0)
		u->no_drop_in = strcmp(value, "no") == 0;
	else if (strcmp(key, "root") == 0)
		SET(u->root, value);
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
