/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/unit.h"

#include "base/str.h"
#include "sys/clock.h"
#include "sys/unit_bus.h"

#define UNIT_INTERFACE MANAGER ".Unit"
#define SERVICE_INTERFACE MANAGER ".Service"
#define OPEN_STEP_USEC (50 * USEC_PER_MSEC)

DEFINE_CLEANUP(struct unit_manager *, unit_manager_close);

struct unit_manager *unit_manager_close(struct unit_manager *m)
{
	if (!m)
		return NULL;
	sd_bus_slot_unref(m->removed_slot);
	sd_bus_slot_unref(m->changed_slot);
	/* Not flushed: nothing that was sent is unanswered but what we gave up. */
	sd_bus_close_unref(m->bus);
	strv_free(m->paths);
	free(m->job);
	free(m->job_result);
	free(m);
	return NULL;
}

static int open_once(uint64_t timeout_usec, struct unit_manager **ret)
{
	_cleanup_(unit_manager_closep) struct unit_manager *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->timeout_usec = timeout_usec;
	r = unit_bus_open(m);
	if (r >= 0)
		r = unit_bus_find_manager(m);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(m);
	return 0;
}

int unit_manager_open(uint64_t timeout_usec, struct unit_manager **ret)
{
	const struct timespec step = clock_timespec(OPEN_STEP_USEC);
	uint64_t deadline = unit_bus_deadline(timeout_usec);
	int r = open_once(timeout_usec, ret);

	while (r < 0 && r != -ENOMEM && clock_usec(CLOCK_MONOTONIC) < deadline) {
		(void)nanosleep(&step, NULL);
		r = open_once(timeout_usec, ret);
	}
	return r;
}

/* ---- properties ---- */

struct raw {
	char *load;
	char *active;
	char *sub;
	char *invocation;
	char *id;
	char **names;
	uint64_t start_usec;
	uint64_t start_limit_usec;
	uint32_t main_pid;
	uint32_t job;
	struct unit_commands before; /* ExecStartPre= */
	struct unit_commands reload;
	bool own_root;
};

static void raw_done(struct raw *w)
{
	free(w->load);
	free(w->active);
	free(w->sub);
	free(w->invocation);
	free(w->id);
	strv_free(w->names);
	*w = (struct raw){0};
}

static int read_text(sd_bus_message *v, char **s)
{
	const char *text;
	int r = sd_bus_message_read(v, "v", "s", &text);

	return r < 0 ? r : str_replace(s, text);
}

static int read_is_set(sd_bus_message *v, bool *ret)
{
	const char *text = "";
	int r = sd_bus_message_read(v, "v", "s", &text);

	*ret = *text != 0;
	return r;
}

/* Empty while the unit never ran: NULL. */
static int read_invocation(sd_bus_message *v, char **ret)
{
	const uint8_t *id;
	size_t n;
	char hex[33];
	int r = sd_bus_message_enter_container(v, 'v', "ay");

	if (r < 0)
		return r;
	r = sd_bus_message_read_array(v, 'y', (const void **)&id, &n);
	if (r < 0)
		return r;
	r = sd_bus_message_exit_container(v);
	if (r < 0)
		return r;
	if (n != 16)
		return str_replace(ret, NULL);
	for (size_t i = 0; i < n; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", id[i]);
	return str_replace(ret, hex);
}

static int read_names(sd_bus_message *v, char ***ret)
{
	_cleanup_strv_ char **names = NULL;
	const char *name;
	int r = sd_bus_message_enter_container(v, 'v', "as");

	if (r >= 0)
		r = sd_bus_message_enter_container(v, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read_basic(v, 's', &name)) > 0)
		r = strv_add(&names, name);
	if (r >= 0)
		r = sd_bus_message_exit_container(v);
	if (r >= 0)
		r = sd_bus_message_exit_container(v);
	if (r < 0)
		return r;
	strv_free(*ret);
	*ret = TAKE_PTR(names);
	return 0;
}

static int read_property(sd_bus_message *v, const char *name, struct raw *w)
{
	if (str_eq(name, "LoadState"))
		return read_text(v, &w->load);
	if (str_eq(name, "ActiveState"))
		return read_text(v, &w->active);
	if (str_eq(name, "SubState"))
		return read_text(v, &w->sub);
	if (str_eq(name, "InvocationID"))
		return read_invocation(v, &w->invocation);
	if (str_eq(name, "ExecMainStartTimestamp"))
		return sd_bus_message_read(v, "v", "t", &w->start_usec);
	if (str_eq(name, "Id"))
		return read_text(v, &w->id);
	if (str_eq(name, "Names"))
		return read_names(v, &w->names);
	if (str_eq(name, "Job"))
		return sd_bus_message_read(v, "v", "(uo)", &w->job, NULL);
	if (str_eq(name, "TimeoutStartUSec"))
		return sd_bus_message_read(v, "v", "t", &w->start_limit_usec);
	if (str_eq(name, "MainPID"))
		return sd_bus_message_read(v, "v", "u", &w->main_pid);
	if (str_eq(name, "ExecReload"))
		return unit_bus_read_commands(v, &w->reload);
	if (str_eq(name, "ExecStartPre"))
		return unit_bus_read_commands(v, &w->before);
	if (str_eq(name, "RootDirectory"))
		return read_is_set(v, &w->own_root);
	return sd_bus_message_skip(v, "v");
}

/* All properties of one interface at one moment. */
static int read_interface(struct unit_manager *m, const char *path, const char *interface,
			  struct raw *w)
{
	_cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
	int r = unit_bus_new_call(m, path, "org.freedesktop.DBus.Properties", "GetAll", &call);

	if (r >= 0)
		r = sd_bus_message_append_basic(call, 's', interface);
	if (r >= 0)
		r = unit_bus_send(m, call, NULL, &reply);
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	while (r >= 0) {
		const char *name;

		r = sd_bus_message_enter_container(reply, 'e', "sv");
		if (r <= 0)
			break;
		r = sd_bus_message_read_basic(reply, 's', &name);
		if (r >= 0)
			r = read_property(reply, name, w);
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	return r < 0 ? unit_bus_lost(r) : 0;
}

static enum unit_state state_of(const struct raw *w)
{
	if (str_eq(w->load, "not-found"))
		return UNIT_MISSING;
	if (str_eq(w->load, "masked"))
		return UNIT_INACTIVE;
	if (str_eq(w->active, "active"))
		return UNIT_ACTIVE;
	if (str_eq(w->active, "activating") || str_eq(w->active, "deactivating") ||
	    str_eq(w->active, "reloading") || str_eq(w->active, "refreshing"))
		return UNIT_CHANGING;
	return UNIT_INACTIVE;
}

static int describe(const struct raw *w, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *word = w->active ? w->active : "";

	if (w->load && !str_eq(w->load, "loaded"))
		word = w->load;
	buf_escape(&b, word);
	if (word == w->active && w->sub && !str_eq(w->sub, w->active)) {
		buf_add(&b, " (");
		buf_escape(&b, w->sub);
		buf_add(&b, ")");
	}
	return buf_take(&b, ret);
}

static int read_raw(struct unit_manager *m, const char *name, struct raw *w)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	_cleanup_(raw_done) struct raw again = {0};
	const char *path;
	int r = unit_bus_call(m, "LoadUnit", (const char *const[]){name, NULL}, NULL, &reply);

	if (r >= 0)
		r = sd_bus_message_read_basic(reply, 'o', &path);
	if (r >= 0 && m->changed_slot && !strv_has(m->paths, path))
		r = strv_add(&m->paths, path);
	if (r >= 0)
		r = read_interface(m, path, UNIT_INTERFACE, w);
	if (r < 0 || state_of(w) == UNIT_MISSING || !str_ends(name, ".service"))
		return r;

	/* Two interfaces are two moments: if it was started anew between them, the answers do not
	 * belong together. */
	r = read_interface(m, path, SERVICE_INTERFACE, w);
	if (r >= 0)
		r = read_interface(m, path, UNIT_INTERFACE, &again);
	if (r >= 0 && !(str_eq(w->invocation, again.invocation) && str_eq(w->active, again.active)))
		r = str_replace(&w->active, "activating");
	return r;
}

/* The Id comes first. */
static int order_names(const struct raw *w, char ***ret)
{
	int r = w->id ? strv_add(ret, w->id) : 0;

	for (char **name = w->names; r >= 0 && name && *name; name++)
		if (!str_eq(*name, w->id))
			r = strv_add(ret, *name);
	return r;
}

int unit_read(struct unit_manager *m, const char *name, struct unit_facts *ret)
{
	_cleanup_(raw_done) struct raw w = {0};
	_cleanup_(unit_facts_done) struct unit_facts u = {0};
	int r = str_replace(&u.name, name);

	if (r < 0)
		return r;
	r = read_raw(m, name, &w);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		u.state = UNIT_UNKNOWN;
		u.error = -r;
	} else {
		u.state = state_of(&w);
		u.invocation = TAKE_PTR(w.invocation);
		u.start_usec = w.start_usec;
		u.main_pid = (int)w.main_pid;
		u.start_limit_usec = w.start_limit_usec;
		u.own_reload = w.reload.others;
		u.hook = w.before.ours;
		u.hook_ended = w.before.ended;
		u.hook_status = w.before.status;
		u.own_root = w.own_root;
		u.job = w.job != 0;
		r = describe(&w, &u.sub_state);
		if (r >= 0)
			r = order_names(&w, &u.names);
		if (r < 0)
			return r;
	}
	*ret = u;
	u = (struct unit_facts){0};
	return 0;
}

/* ---- jobs ---- */

int unit_reset_failed(struct unit_manager *m, const char *name)
{
	_cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = unit_bus_call(m, "ResetFailedUnit", (const char *const[]){name, NULL}, &error,
			      NULL);

	return r < 0 && sd_bus_error_has_name(&error, MANAGER ".NoSuchUnit") ? 0 : r;
}

static int on_job_removed(sd_bus_message *s, void *userdata, sd_bus_error *error)
{
	struct unit_manager *m = userdata;
	const char *path, *name, *result;
	char *unit = NULL;

	UNUSED(error);
	if (sd_bus_message_read(s, "uoss", NULL, &path, &name, &result) < 0)
		return 0;
	if (m->job && str_eq(path, m->job) && str_replace(&m->job_result, result) < 0)
		m->out_of_memory = true;
	if (sd_bus_path_encode(MANAGER_PATH "/unit", name, &unit) >= 0)
		m->news = m->news || strv_has(m->paths, unit);
	free(unit);
	return 0;
}

static int on_changed(sd_bus_message *s, void *userdata, sd_bus_error *error)
{
	struct unit_manager *m = userdata;

	UNUSED(error);
	m->news = m->news || strv_has(m->paths, sd_bus_message_get_path(s));
	return 0;
}

int unit_subscribe(struct unit_manager *m)
{
	_cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	/* On a direct connection no message names its sender. */
	const char *sender = m->direct ? NULL : MANAGER;
	int r;

	if (m->subscribed)
		return 0;
	r = sd_bus_match_signal(m->bus, &m->removed_slot, sender, MANAGER_PATH, MANAGER_INTERFACE,
				"JobRemoved", on_job_removed, m);
	if (r >= 0)
		r = sd_bus_match_signal(m->bus, &m->changed_slot, sender, NULL,
					"org.freedesktop.DBus.Properties", "PropertiesChanged",
					on_changed, m);
	if (r < 0)
		return unit_bus_lost(r);
	/* The manager sends no signals at all to those who did not ask for them. */
	r = unit_bus_call(m, "Subscribe", (const char *const[]){NULL}, &error, NULL);
	if (r < 0 && !sd_bus_error_has_name(&error, MANAGER ".AlreadySubscribed")) {
		m->removed_slot = sd_bus_slot_unref(m->removed_slot);
		m->changed_slot = sd_bus_slot_unref(m->changed_slot);
		return r;
	}
	m->subscribed = true;
	return 0;
}

int unit_wait(struct unit_manager *m, int other, uint64_t deadline_usec)
{
	int r = 0;

	while (r == 0 && !m->news)
		r = unit_bus_step_or(m->bus, other, deadline_usec);
	m->news = false;
	return r == -ETIMEDOUT ? 0 : MIN(r, 0);
}

int unit_ask_job(struct unit_manager *m, const char *name, enum unit_job job)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	const char *path;
	int r = unit_subscribe(m);

	if (r >= 0)
		r = unit_bus_call(m, job == UNIT_JOB_RELOAD ? "ReloadUnit" : "TryRestartUnit",
				  (const char *const[]){name, "replace", NULL}, NULL, &reply);
	if (r >= 0)
		r = sd_bus_message_read_basic(reply, 'o', &path);
	if (r < 0)
		return r;
	free(TAKE_PTR(m->job_result));
	m->out_of_memory = false;
	return str_replace(&m->job, path);
}

/* Subscribed since before the job was asked for, so its end cannot have been missed: even a signal
 * that came before the reply is still in the connection's queue, which nothing has taken from
 * since. */
int unit_await_job(struct unit_manager *m, uint64_t timeout_usec, char **ret_result)
{
	uint64_t deadline = unit_bus_deadline(timeout_usec);
	int r = 0;

	while (r >= 0 && !m->job_result)
		r = m->out_of_memory ? -ENOMEM : unit_bus_step(m->bus, deadline);
	if (r < 0)
		return r;
	free(TAKE_PTR(m->job));
	*ret_result = TAKE_PTR(m->job_result);
	return 0;
}

int unit_start(struct unit_manager *m, const char *name)
{
	return unit_bus_call(m, "StartUnit", (const char *const[]){name, "replace", NULL}, NULL,
			     NULL);
}
