/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/unit_bus.h"

#include "base/str.h"
#include "sys/clock.h"

#include <poll.h>

#define PRIVATE_SOCKET "/run/systemd/private"

uint64_t unit_bus_deadline(uint64_t usec)
{
	uint64_t now = clock_usec(CLOCK_MONOTONIC);

	return usec > UINT64_MAX - now ? UINT64_MAX : now + usec;
}

int unit_bus_lost(int r)
{
	return r == -ENOTCONN || r == -EPIPE || r == -ESHUTDOWN ? -ECONNRESET : r;
}

/* As sd_bus_wait(3), and beside the connection another descriptor. */
static int wait_for(sd_bus *bus, int other, uint64_t usec)
{
	struct pollfd p[] = {{.fd = sd_bus_get_fd(bus), .events = (short)sd_bus_get_events(bus)},
			     {.fd = other, .events = POLLIN}};
	const struct timespec left = clock_timespec(usec);
	int r = ppoll(p, ELEMENTSOF(p), usec == UINT64_MAX ? NULL : &left, NULL);

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return p[1].revents != 0;
}

int unit_bus_step(sd_bus *bus, int other, uint64_t deadline)
{
	uint64_t now;
	int r = sd_bus_process(bus, NULL);

	if (r != 0)
		return r < 0 ? unit_bus_lost(r) : 0;
	now = clock_usec(CLOCK_MONOTONIC);
	if (now >= deadline)
		return -ETIMEDOUT;
	r = wait_for(bus, other, deadline == UINT64_MAX ? UINT64_MAX : deadline - now);
	return r < 0 ? unit_bus_lost(r) : r;
}

/* Authentication and hello have limits of their own in sd-bus, far longer than ours. */
static int wait_ready(sd_bus *bus, uint64_t deadline)
{
	int r;

	while ((r = sd_bus_is_ready(bus)) == 0) {
		r = unit_bus_step(bus, -1, deadline);
		if (r < 0)
			return r;
	}
	return r < 0 ? unit_bus_lost(r) : 0;
}

int unit_bus_call(struct unit_manager *m, const struct unit_call *c, sd_bus_message **ret)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(
		m->bus, &call, MANAGER, c->object ? c->object : MANAGER_PATH,
		c->object ? "org.freedesktop.DBus.Properties" : MANAGER_INTERFACE, c->member);

	/* Looking must not start anything. */
	if (r >= 0)
		r = sd_bus_message_set_auto_start(call, 0);
	for (size_t i = 0; r >= 0 && i < ELEMENTSOF(c->arguments) && c->arguments[i]; i++)
		r = sd_bus_message_append_basic(call, 's', c->arguments[i]);
	if (r >= 0)
		r = sd_bus_call(m->bus, call, m->timeout_usec, &error, ret);
	if (r < 0 && c->forgiven && sd_bus_error_has_name(&error, c->forgiven))
		return 0;
	return r < 0 ? unit_bus_lost(r) : 0;
}

static int find_manager(struct unit_manager *m)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	int owned = 0;
	int r = sd_bus_call_method(m->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				   "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s",
				   MANAGER);
	if (r >= 0)
		r = sd_bus_message_read_basic(reply, 'b', &owned);
	if (r < 0)
		return unit_bus_lost(r);
	return owned ? 0 : -ENOTCONN;
}

int unit_bus_open(struct unit_manager *m)
{
	uint64_t deadline = unit_bus_deadline(m->timeout_usec);
	int r = sd_bus_open_system(&m->bus);

	if (r >= 0)
		r = wait_ready(m->bus, deadline);
	if (r < 0 && r != -ENOMEM && access(PRIVATE_SOCKET, F_OK) == 0) {
		m->bus = sd_bus_close_unref(m->bus);
		m->direct = true;
		r = sd_bus_new(&m->bus);
		if (r >= 0)
			r = sd_bus_set_address(m->bus, "unix:path=" PRIVATE_SOCKET);
		if (r >= 0)
			r = sd_bus_start(m->bus);
		if (r >= 0)
			r = wait_ready(m->bus, deadline);
	}
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(m->bus, m->timeout_usec);
	/* A direct connection leads to nobody else. */
	return r < 0 || m->direct ? MIN(r, 0) : find_manager(m);
}

/* Drop-ins append to a list, so our command may stand beside one of the unit's own (rule 19). */
int unit_bus_read_commands(sd_bus_message *v, struct unit_commands *ret)
{
	struct unit_commands c = {0};
	int r = sd_bus_message_enter_container(v, 'a', "(sasbttttuii)");

	while (r >= 0) {
		const char *path = "";
		uint64_t ended = 0;
		int status = 0;

		r = sd_bus_message_enter_container(v, 'r', "sasbttttuii");
		if (r <= 0)
			break;
		r = sd_bus_message_read_basic(v, 's', &path);
		if (r >= 0)
			r = sd_bus_message_skip(v, "asbtt");
		if (r >= 0)
			r = sd_bus_message_read(v, "ttuii", &ended, NULL, NULL, NULL, &status);
		if (r >= 0)
			r = sd_bus_message_exit_container(v);
		if (r < 0)
			break;
		if (!str_ends(path, UNIT_OUR_COMMAND)) {
			c.others = true;
			continue;
		}
		c.ours = true;
		c.ended = ended > 0;
		c.status = status;
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(v);
	if (r >= 0)
		*ret = c;
	return r < 0 ? r : 0;
}
