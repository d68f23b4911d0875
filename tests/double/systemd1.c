/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A double of org.freedesktop.systemd1 for tests, on the bus that DBUS_SYSTEM_BUS_ADDRESS names.
 *
 *     systemd1 LOG [LINE...]
 *
 * LINE, here or later through the method Apply(s) of vsmtp.test.Double1 at /control:
 *
 *     UNIT load loaded|masked|not-found
 *     UNIT active active|inactive|failed|activating|...
 *     UNIT start                        starts it as systemctl would (start hook, new invocation)
 *     UNIT reload COMMAND...            the paths of its ExecReload= list
 *     UNIT hook COMMAND                 run by sh at each start, with INVOCATION_ID
 *     UNIT drop-in yes|no               whether its ExecStartPre= has our command: yes at first
 *     UNIT root DIRECTORY               its RootDirectory=
 *     UNIT delay MS                     how long a job takes; -1: its end is told before the reply
 *     UNIT linger MS                    how long its start still takes when it has loaded all
 *     UNIT result RESULT...             of the next jobs, the last for ever; "never": no JobRemoved
 *     UNIT name ID                      the manager's own name for it
 *     UNIT job N                        somebody's job is on it; 0: none
 *     executor command PROGRAM          what UNIT_EXECUTOR runs
 *     executor asked DIRECTORY          UNIT_ASKED starts it as long as something lies there
 *     executor kill                     SIGKILL
 *
 * As the real one: no signals before somebody called Subscribe; more than five starts in ten
 * seconds without ResetFailedUnit: failed. */

#include "systemd1.h"

#include <fcntl.h>

/* ---- methods ---- */

static int method_load(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct double1 *d = userdata;
	const char *name;
	char *path = NULL;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return r;
	if (!strchr(name, '.'))
		return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "invalid unit name");
	if (sd_bus_path_encode(PATH "/unit", unit_of(d, name)->id, &path) < 0)
		return -ENOMEM;
	r = sd_bus_reply_method_return(m, "o", path);
	free(path);
	return r;
}

static int run(sd_bus_message *m, struct double1 *d, sd_bus_error *error, bool reload)
{
	const char *name, *mode;
	struct unit *u;
	int r = sd_bus_message_read(m, "ss", &name, &mode);

	if (r < 0)
		return r;
	u = unit_of(d, name);
	if (strcmp(u->load, "not-found") == 0)
		return sd_bus_error_setf(error, NAME ".NoSuchUnit", "Unit %s not found.", name);
	if (strcmp(u->load, "masked") == 0)
		return sd_bus_error_setf(error, NAME ".UnitMasked", "Unit %s is masked.", name);
	if (reload && u->n_reload == 0)
		return sd_bus_error_set(error, NAME ".JobTypeNotApplicable", "no reload");
	if (u->job)
		return reply_job(m, u->job);
	u->job = ++d->last_job;
	if (!is(u, "active")) {
		r = reply_job(m, u->job);
		job_removed(u, "done");
		return r;
	}
	u->reloading = reload;
	set_active(u, reload ? "reloading" : "deactivating");
	if (u->delay_ms < 0) {
		uint32_t job = u->job;

		finish(u);
		return reply_job(m, job);
	}
	r = run_later(u, u->delay_ms);
	return r < 0 ? r : reply_job(m, u->job);
}

static int method_try_restart(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return run(m, userdata, error, false);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return run(m, userdata, error, true);
}

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *name, *mode;
	int r = sd_bus_message_read(m, "ss", &name, &mode);

	if (r < 0)
		return r;
	if (strcmp(name, EXECUTOR) != 0 && strcmp(name, ASKED) != 0)
		return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "only what is ours");
	return start_ours(m, userdata, name);
}

static int method_reset_failed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct unit *u;
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return r;
	u = unit_of(userdata, name);
	if (strcmp(u->load, "not-found") == 0)
		return sd_bus_error_setf(error, NAME ".NoSuchUnit", "Unit %s not loaded.", name);
	u->n_starts = 0;
	if (is(u, "failed"))
		set_active(u, "inactive");
	return sd_bus_reply_method_return(m, NULL);
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct double1 *d = userdata;
	int r = sd_bus_track_add_sender(d->subscribers, m);

	(void)error;
	return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static int method_apply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *text;
	int r = sd_bus_message_read(m, "s", &text);

	(void)error;
	if (r < 0)
		return r;
	apply(userdata, text);
	return sd_bus_reply_method_return(m, NULL);
}

/* ---- properties ---- */

static int append_names(sd_bus_message *reply, const struct unit *u)
{
	int r = sd_bus_message_open_container(reply, 'a', "s");

	for (int i = 0; r >= 0 && i < u->d->n_units; i++)
		if (strcmp(u->d->units[i].id, u->id) == 0)
			r = sd_bus_message_append(reply, "s", u->d->units[i].name);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_command(sd_bus_message *reply, const char *path, uint64_t ended, int status)
{
	return sd_bus_message_append(reply, "(sasbttttuii)", path, 2, path, "x", 0, ended, ended,
				     ended, ended, (uint32_t)0, 0, status);
}

static int get(sd_bus *bus, const char *path, const char *interface, const char *property,
	       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct unit *u = userdata;
	const char *sub = is(u, "active") ? "running" : is(u, "inactive") ? "dead" : u->active;
	int r;

	(void)bus;
	(void)path;
	(void)interface;
	(void)error;
	if (strcmp(property, "Id") == 0)
		return sd_bus_message_append(reply, "s", u->id);
	if (strcmp(property, "Names") == 0)
		return append_names(reply, u);
	if (strcmp(property, "Job") == 0)
		return sd_bus_message_append(reply, "(uo)", u->job, "/");
	if (strcmp(property, "TimeoutStartUSec") == 0)
		return sd_bus_message_append(reply, "t", (uint64_t)90000000);
	if (strcmp(property, "LoadState") == 0)
		return sd_bus_message_append(reply, "s", u->load);
	if (strcmp(property, "ActiveState") == 0)
		return sd_bus_message_append(reply, "s", u->active);
	if (strcmp(property, "SubState") == 0)
		return sd_bus_message_append(reply, "s", sub);
	if (strcmp(property, "InvocationID") == 0)
		return sd_bus_message_append_array(reply, 'y', u->invocation, u->started ? 16 : 0);
	if (strcmp(property, "ExecMainStartTimestamp") == 0)
		return sd_bus_message_append(reply, "t", u->start_usec);
	if (strcmp(property, "MainPID") == 0)
		return sd_bus_message_append(reply, "u", (uint32_t)u->main_pid);
	if (strcmp(property, "RootDirectory") == 0)
		return sd_bus_message_append(reply, "s", u->root);
	r = sd_bus_message_open_container(reply, 'a', "(sasbttttuii)");
	if (strcmp(property, "ExecStartPre") == 0) {
		if (r >= 0 && !u->no_drop_in)
			r = append_command(reply, "/usr/bin/vsmtp-pluginctl", u->hook_usec,
					   u->hook_status);
		return r < 0 ? r : sd_bus_message_close_container(reply);
	}
	for (int i = 0; r >= 0 && i < u->n_reload; i++)
		r = append_command(reply, u->reload[i], 0, 0);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
		sd_bus_error *error)
{
	char *name = NULL;
	int r = sd_bus_path_decode(path, PATH "/unit", &name);

	(void)bus;
	(void)interface;
	(void)error;
	if (r <= 0)
		return r;
	*ret = unit_by_id(userdata, name);
	free(name);
	return 1;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *interface = sd_bus_message_get_interface(m), *unit = "";

	(void)error;
	if (!interface || strcmp(interface, NAME ".Manager") != 0)
		return 0;
	if (sd_bus_message_has_signature(m, "s") || sd_bus_message_has_signature(m, "ss"))
		(void)sd_bus_message_read_basic(m, 's', &unit);
	(void)sd_bus_message_rewind(m, 1);
	note(userdata, "%s%s%s", sd_bus_message_get_member(m), *unit ? " " : "", unit);
	return 0;
}

static const sd_bus_vtable manager_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("LoadUnit", "s", "o", method_load, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("TryRestartUnit", "ss", "o", method_try_restart, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ReloadUnit", "ss", "o", method_reload, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("StartUnit", "ss", "o", method_start, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ResetFailedUnit", "s", "", method_reset_failed, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Subscribe", "", "", method_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable control_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Apply", "s", "", method_apply, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable unit_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("LoadState", "s", get, 0, 0),
	SD_BUS_PROPERTY("ActiveState", "s", get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Id", "s", get, 0, 0),
	SD_BUS_PROPERTY("Names", "as", get, 0, 0),
	SD_BUS_PROPERTY("Job", "(uo)", get, 0, 0),
	SD_BUS_PROPERTY("SubState", "s", get, 0, 0),
	SD_BUS_PROPERTY("InvocationID", "ay", get, 0, 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable service_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("ExecMainStartTimestamp", "t", get, 0, 0),
	SD_BUS_PROPERTY("MainPID", "u", get, 0, 0),
	SD_BUS_PROPERTY("TimeoutStartUSec", "t", get, 0, 0),
	SD_BUS_PROPERTY("ExecReload", "a(sasbttttuii)", get, 0, 0),
	SD_BUS_PROPERTY("ExecStartPre", "a(sasbttttuii)", get, 0, 0),
	SD_BUS_PROPERTY("RootDirectory", "s", get, 0, 0),
	SD_BUS_VTABLE_END,
};

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "systemd1 double: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void serve(struct double1 *d)
{
	check(sd_bus_open_system(&d->bus), "bus");
	check(sd_bus_attach_event(d->bus, d->event, 0), "attach");
	check(sd_bus_track_new(d->bus, &d->subscribers, NULL, NULL), "track");
	check(sd_bus_add_filter(d->bus, NULL, on_message, d), "filter");
	check(sd_bus_add_object_vtable(d->bus, NULL, PATH, NAME ".Manager", manager_table, d), "m");
	check(sd_bus_add_object_vtable(d->bus, NULL, "/control", "vsmtp.test.Double1",
				       control_table, d),
	      "control");
	check(sd_bus_add_fallback_vtable(d->bus, NULL, PATH "/unit", NAME ".Unit", unit_table, find,
					 d),
	      "unit");
	check(sd_bus_add_fallback_vtable(d->bus, NULL, PATH "/unit", NAME ".Service", service_table,
					 find, d),
	      "service");
	check(sd_bus_request_name(d->bus, NAME, 0), "name");
}

int main(int argc, char **argv)
{
	static struct double1 d;
	sigset_t child;

	if (argc < 2)
		return 2;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	d.log = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (d.log < 0)
		check(-errno, argv[1]);
	check(sd_event_default(&d.event), "event");
	for (int i = 2; i < argc; i++)
		apply(&d, argv[i]);
	serve(&d);
	note(&d, "ready");
	return sd_event_loop(d.event) < 0;
}
