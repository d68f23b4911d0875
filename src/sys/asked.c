/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/asked.h"

#include "base/str.h"
#include "sys/clock.h"
#include "sys/pkglock.h"
#include "sys/state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/random.h>

#define DIRECTORY STATE_RUN_DIR "/asked"
#define FORMAT "format 1\n"
#define REQUEST_MAX_BYTES 4096

static const char *const kinds[REQUEST_KIND_MAX] = {
	[REQUEST_LOOK] = "look",
	[REQUEST_RELOAD] = "reload",
	[REQUEST_RELOAD_WAITS] = "reload-waits",
};

static int open_directory(const struct root *r)
{
	int fd = root_open_path(r, DIRECTORY, O_RDONLY | O_DIRECTORY);
	int k = fd == -ENOENT ? fs_mkdir(r, DIRECTORY) : 0;

	if (k < 0)
		return k;
	return fd == -ENOENT ? root_open_path(r, DIRECTORY, O_RDONLY | O_DIRECTORY) : fd;
}

/* Names of files in it, without those that are being written. */
static int list(const struct root *r, char ***ret)
{
	_cleanup_close_ int dir = root_open_path(r, DIRECTORY, O_RDONLY | O_DIRECTORY);
	_cleanup_strv_ char **all = NULL, **names = NULL;
	int k = dir < 0 ? dir : fs_list(dir, &all);

	if (k == -ENOENT) {
		*ret = NULL;
		return 0;
	}
	for (char **name = all; k >= 0 && name && *name; name++)
		if (**name != '.')
			k = strv_add(&names, *name);
	if (k < 0)
		return k;
	*ret = TAKE_PTR(names);
	return 0;
}

/* ---- asking ---- */

static void read_command(char *ret, size_t size)
{
	_cleanup_close_ int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	ret[MAX(n, 0)] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

static int make_text(const struct root *r, const struct request *q, char **ret)
{
	struct lock_facts l = {0};
	_cleanup_buf_ struct buf b = BUF_INIT;
	char command[32];

	(void)!pkglock_ask(r, &l); /* who may not ask is no package's script */
	read_command(command, sizeof(command));
	buf_printf(&b, FORMAT "kind %s\nunit ", kinds[q->kind]);
	buf_escape(&b, q->unit);
	buf_printf(&b, "\nreplaces %s\nset %s\nusec %" PRIu64 "\nholder %d\npid %d\ncommand ",
		   q->replaces, q->set, clock_usec(CLOCK_BOOTTIME), lock_holder(&l), (int)getpid());
	buf_escape(&b, command);
	buf_add(&b, "\n");
	return buf_take(&b, ret);
}

int asked_ask(const struct root *r, const struct request *request, char **ret_name)
{
	_cleanup_close_ int dir = open_directory(r);
	_cleanup_strv_ char **names = NULL;
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	uint64_t number = 0;
	int k = dir < 0 ? dir : list(r, &names);

	if (k < 0)
		return k;
	if (ret_name)
		*ret_name = NULL;
	if (strv_len(names) >= ASKED_MAX)
		return 0;
	k = make_text(r, request, &text);
	if (k < 0)
		return k;
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EAGAIN;
	(void)snprintf(path, sizeof(path), DIRECTORY "/%016" PRIx64, number);
	k = fs_write(r, path, text, 0644, FS_WRITE_VOLATILE);
	if (k >= 0 && ret_name)
		k = str_replace(ret_name, strrchr(path, '/') + 1);
	return k;
}

/* ---- listing ---- */

/* The value of the line "KEY VALUE". 0, -EINVAL (no such line, or damaged), -ENOMEM. */
static int read_line(const char *text, const char *key, char **ret)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		const char *value = str_after(text, key);

		if (value && *value == ' ')
			return str_unescape(value + 1, strcspn(value + 1, "\n"), ret);
	}
	return -EINVAL;
}

static int read_numbers(const char *text, struct request *q)
{
	_cleanup_free_ char *kind = NULL, *usec = NULL, *pid = NULL, *holder = NULL;
	int k = read_line(text, "kind", &kind);

	if (k >= 0)
		k = read_line(text, "usec", &usec);
	if (k >= 0)
		k = read_line(text, "pid", &pid);
	if (k < 0)
		return k;
	q->usec = strtoull(usec, NULL, 10);
	q->pid = (int)strtol(pid, NULL, 10);
	if (read_line(text, "holder", &holder) == -ENOMEM)
		return -ENOMEM;
	q->holder = holder ? (int)strtol(holder, NULL, 10) : 0;
	q->kind = (enum request_kind)str_index(kinds, REQUEST_KIND_MAX, kind);
	return q->kind == REQUEST_KIND_MAX ? -EINVAL : 0;
}

static int read_request(const struct root *r, const char *name, struct request *ret)
{
	_cleanup_(request_done) struct request q = {.name = strdup(name)};
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	int k;

	if (!q.name)
		return -ENOMEM;
	(void)snprintf(path, sizeof(path), DIRECTORY "/%s", name);
	k = fs_read(r, path, REQUEST_MAX_BYTES, &text, NULL);
	if (k < 0)
		return k;
	if (!str_after(text, FORMAT))
		return -EINVAL;
	k = read_numbers(text, &q);
	if (k >= 0)
		k = read_line(text, "unit", &q.unit);
	if (k >= 0)
		k = read_line(text, "replaces", &q.replaces);
	if (k >= 0)
		k = read_line(text, "set", &q.set);
	if (k >= 0)
		k = read_line(text, "command", &q.command);
	if (k < 0)
		return k;
	*ret = TAKE(q);
	return 0;
}

int asked_read(const struct root *r, struct requests *ret)
{
	_cleanup_(requests_done) struct requests all = {0};
	_cleanup_strv_ char **names = NULL;
	int k = list(r, &names);

	if (k < 0)
		return k;
	all.items = calloc(strv_len(names) + 1, sizeof(*all.items));
	if (!all.items)
		return -ENOMEM;
	for (char **name = names; name && *name; name++) {
		k = read_request(r, *name, &all.items[all.n]);
		if (k == -ENOMEM)
			return k;
		all.n += k >= 0;
		all.not_known += k < 0 && k != -ENOENT;
	}
	*ret = TAKE(all);
	return 0;
}

int asked_remove(const struct root *r, const char *name)
{
	char path[PATH_MAX];
	int k;

	(void)snprintf(path, sizeof(path), DIRECTORY "/%s", name);
	k = fs_unlink(r, path);
	return k == -ENOENT ? 0 : k;
}

int asked_watch(const struct root *r)
{
	_cleanup_close_ int dir = open_directory(r);
	int fd = dir < 0 ? dir : state_watch(r, DIRECTORY);

	if (fd >= 0)
		pkglock_wake(r, fd);
	return fd;
}

bool asked_nobody_answers(const struct root *r, const struct requests *requests)
{
	uint64_t now = clock_usec(CLOCK_BOOTTIME);

	for (size_t i = 0; i < requests->n; i++)
		if (requests->items[i].usec + ASKED_PATIENCE_USEC < now)
			return state_role_pid(r, STATE_ROLE_EXECUTOR) == 0;
	return false;
}
