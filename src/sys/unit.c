/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/unit.h"

#include "base/str.h"
#include "sys/clock.h"
#include "sys/unit_bus.h"

#include <systemd/sd-id128.h>

#define UNIT_INTERFACE MANAGER ".Unit"
#define SERVICE_INTERFACE MANAGER ".Service"
#define OPEN_STEP_USEC (50 * USEC_PER_MSEC)

DEFINE_CLEANUP(struct unit_manager *, unit_manager_close);

struct unit_manager *unit_manager_close(struct unit_manager *m)
{
	if (!m)
		return NULL;
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

/* As the manager says it; what is taken over as it is lies in `facts` already. */
struct raw {
	char *load;
	char *active;
	char *sub;
	char *id;
	char *root;
	char **names;
	struct unit_commands before; /* ExecStartPre= */
	struct unit_commands reload;
	uint32_t job;
	struct unit_facts facts;
};

static void raw_done(struct raw *w)
{
	free(w->load);
	free(w->active);
	free(w->sub);
	free(w->id);
	free(w->root);
	strv_free(w->names);
	unit_facts_done(&w->facts);
}

/* Empty while the unit never ran: NULL. */
static int read_invocation(sd_bus_message *v, char **ret)
{
	char hex[SD_ID128_STRING_MAX];
	sd_id128_t id;
	const void *bytes;
	size_t n;
	int r = sd_bus_message_read_array(v, 'y', &bytes, &n);

	if (r < 0 || n != sizeof(id))
		return r < 0 ? r : str_replace(ret, NULL);
	memcpy(&id, bytes, n);
	return str_replace(ret, sd_id128_to_string(id, hex));
}

static int read_names(sd_bus_message *v, char ***ret)
{
	strv_free(TAKE_PTR(*ret));
	return sd_bus_message_read_strv(v, ret);
}

static int read_text(sd_bus_message *v, char **ret)
{
	const char *text;
	int r = sd_bus_message_read_basic(v, 's', &text);

	return r < 0 ? r : str_replace(ret, text);
}

#define RAW(member) offsetof(struct raw, member)

static const struct property {
	const char *name;
	const char *type;
	size_t offset;
} properties[] = {
	{"LoadState", "s", RAW(load)},
	{"ActiveState", "s", RAW(active)},
	{"SubState", "s", RAW(sub)},
	{"Id", "s", RAW(id)},
	{"RootDirectory", "s", RAW(root)},
	{"ExecMainStartTimestamp", "t", RAW(facts.start_usec)},
	{"TimeoutStartUSec", "t", RAW(facts.start_limit_usec)},
	{"MainPID", "u", RAW(facts.main_pid)},
	{"Job", "(uo)", RAW(job)},
	{"Names", "as", RAW(names)},
	{"InvocationID", "ay", RAW(facts.invocation)},
	{"ExecReload", UNIT_COMMANDS, RAW(reload)},
	{"ExecStartPre", UNIT_COMMANDS, RAW(before)},
};

static int read_field(sd_bus_message *v, const char *type, void *field)
{
	if (str_eq(type, "s"))
		return read_text(v, field);
	if (str_eq(type, "as"))
		return read_names(v, field);
	if (str_eq(type, "ay"))
		return read_invocation(v, field);
	if (str_eq(type, "(uo)"))
		return sd_bus_message_read(v, type, field, NULL);
	if (str_eq(type, UNIT_COMMANDS))
		return unit_bus_read_commands(v, field);
	return sd_bus_message_read_basic(v, type[0], field);
}

static int read_property(sd_bus_message *v, const char *name, struct raw *w)
{
	for (size_t i = 0; i < ELEMENTSOF(properties); i++) {
		const struct property *p = &properties[i];
		int r;

		if (!str_eq(name, p->name))
			continue;
		r = sd_bus_message_enter_container(v, 'v', p->type);
		if (r >= 0)
			r = read_field(v, p->type, (char *)w + p->offset);
		return r >= 0 ? sd_bus_message_exit_container(v) : r;
	}
	return sd_bus_message_skip(v, "v");
}

/* All properties of one interface at one moment. */
static int read_interface(struct unit_manager *m, const char *path, const char *interface,
			  struct raw *w)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	int r = unit_bus_call(
		m,
		&(struct unit_call){.object = path, .member = "GetAll", .arguments = {interface}},
		&reply);

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
	int r = unit_bus_call(m, &(struct unit_call){.member = "LoadUnit", .arguments = {name}},
			      &reply);

	if (r >= 0)
		r = sd_bus_message_read_basic(reply, 'o', &path);
	if (r >= 0 && m->subscribed && !strv_has(m->paths, path))
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
	if (r >= 0 && !(str_eq(w->facts.invocation, again.facts.invocation) &&
			str_eq(w->active, again.active)))
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
	int r = read_raw(m, name, &w);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		unit_facts_done(&w.facts);
		w.facts.state = UNIT_UNKNOWN;
		w.facts.error = -r;
	} else {
		w.facts.state = state_of(&w);
		w.facts.own_reload = w.reload.others;
		w.facts.hook = w.before.ours;
		w.facts.hook_ended = w.before.ended;
		w.facts.hook_status = w.before.status;
		w.facts.own_root = w.root && *w.root;
		w.facts.job = w.job != 0;
		r = describe(&w, &w.facts.sub_state);
		if (r >= 0)
			r = order_names(&w, &w.facts.names);
		if (r < 0)
			return r;
	}
	r = str_replace(&w.facts.name, name);
	if (r < 0)
		return r;
	*ret = w.facts;
	w.facts = (struct unit_facts){0};
	return 0;
}

/* ---- jobs ---- */

int unit_reset_failed(struct unit_manager *m, const char *name)
{
	return unit_bus_call(m,
			     &(struct unit_call){.member = "ResetFailedUnit",
						 .arguments = {name},
						 .forgiven = MANAGER ".NoSuchUnit"},
			     NULL);
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
	/* On a direct connection no message names its sender. */
	const char *sender = m->direct ? NULL : MANAGER;
	int r;

	if (m->subscribed)
		return 0;
	/* Both stay as long as the connection; asked for twice they do no harm. */
	r = sd_bus_match_signal(m->bus, NULL, sender, MANAGER_PATH, MANAGER_INTERFACE, "JobRemoved",
				on_job_removed, m);
	if (r >= 0)
		r = sd_bus_match_signal(m->bus, NULL, sender, NULL,
					"org.freedesktop.DBus.Properties", "PropertiesChanged",
					on_changed, m);
	if (r < 0)
		return unit_bus_lost(r);
	/* The manager sends no signals at all to those who did not ask for them. */
	r = unit_bus_call(m,
			  &(struct unit_call){.member = "Subscribe",
					      .forgiven = MANAGER ".AlreadySubscribed"},
			  NULL);
	m->subscribed = r >= 0;
	return r;
}

int unit_wait(struct unit_manager *m, int other, uint64_t deadline_usec)
{
	int r = 0;

	while (r == 0 && !m->news)
		r = unit_bus_step(m->bus, other, deadline_usec);
	m->news = false;
	return r == -ETIMEDOUT ? 0 : MIN(r, 0);
}

int unit_ask_job(struct unit_manager *m, const char *name, enum unit_job job)
{
	static const char *const members[UNIT_JOB_MAX] = {
		[UNIT_JOB_TRY_RESTART] = "TryRestartUnit",
		[UNIT_JOB_RELOAD] = "ReloadUnit",
	};
	_cleanup_message_ sd_bus_message *reply = NULL;
	const char *path;
	int r = unit_subscribe(m);

	if (r >= 0)
		r = unit_bus_call(
			m,
			&(struct unit_call){.member = members[job], .arguments = {name, "replace"}},
			&reply);
	if (r >= 0)
		r = sd_bus_message_read_basic(reply, 'o', &path);
	if (r < 0)
		return r;
	free(TAKE_PTR(m->job_result));
	m->out_of_memory = false;
	return str_replace(&m->job, path);
}

/* Subscribed since before the job was asked for, so its end cannot have been missed: even a signal
 * that came before the reply is still in the connection's queue: nothing took it from there. */
int unit_await_job(struct unit_manager *m, uint64_t timeout_usec, char **ret_result)
{
	uint64_t deadline = unit_bus_deadline(timeout_usec);
	int r = 0;

	while (r >= 0 && !m->job_result)
		r = m->out_of_memory ? -ENOMEM : unit_bus_step(m->bus, -1, deadline);
	if (r < 0)
		return r;
	free(TAKE_PTR(m->job));
	*ret_result = TAKE_PTR(m->job_result);
	return 0;
}

int unit_start(struct unit_manager *m, const char *name)
{
	return unit_bus_call(
		m, &(struct unit_call){.member = "StartUnit", .arguments = {name, "replace"}},
		NULL);
}
