/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/state.h"

#include "base/str.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#define NAMES STATE_VAR_DIR "/" STATE_FILE_NAMES
#define REQUEST STATE_RUN_DIR "/reload-requested"
#define GENERATION STATE_RUN_DIR "/generation"
#define FILE_MAX_BYTES ((size_t)64 * 1024 * 1024)

int state_prepare(const struct root *r)
{
	static const char *const directories[] = {
		"/run", STATE_RUN_DIR, "/var", "/var/lib", STATE_VAR_DIR,
	};

	for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
		_cleanup_close_ int fd = root_open_path(r, directories[i], O_PATH | O_DIRECTORY);
		int k = fd >= 0 ? 0 : fs_mkdir(r, directories[i]);

		if (k < 0)
			return k;
	}
	state_sweep(r);
	return 0;
}

/* `.NAME.PID`, as fs_write() calls it, of a process that is no more. */
static bool is_left_over(const char *file)
{
	const char *dot = strrchr(file, '.');
	char *end;
	long pid;

	if (file[0] != '.' || dot == file || dot[1] < '1' || dot[1] > '9')
		return false;
	pid = strtol(dot + 1, &end, 10);
	return *end == 0 && pid <= INT_MAX && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

void state_sweep(const struct root *r)
{
	static const char *const directories[] = {STATE_RUN_DIR, STATE_VAR_DIR};

	for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
		_cleanup_close_ int fd = root_open_path(r, directories[i], O_PATH | O_DIRECTORY);
		_cleanup_strv_ char **names = NULL;

		if (fd < 0 || fs_list(fd, &names) < 0)
			continue; /* the next pass may */
		for (char **n = names; n && *n; n++) {
			_cleanup_free_ char *path = NULL;

			if (!is_left_over(*n))
				continue;
			if (asprintf(&path, "%s/%s", directories[i], *n) < 0)
				path = NULL;
			if (path)
				(void)!fs_unlink(r, path);
		}
	}
}

int state_lock(const struct root *r)
{
	_cleanup_close_ int dir = root_open_path(r, STATE_RUN_DIR, O_PATH | O_DIRECTORY);
	_cleanup_close_ int fd = -EBADF;

	if (dir < 0)
		return dir;
	fd = openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return TAKE_FD(fd);
}

/* The lock is a POSIX one, so that whoever finds it taken can ask by whom (fcntl(2), F_GETLK).
 * Nobody else may open the file: a lock for reading, which anyone may take, would keep the daemon
 * out. */
int state_lock_daemon(const struct root *r, int *ret_pid)
{
	_cleanup_close_ int dir = root_open_path(r, STATE_RUN_DIR, O_PATH | O_DIRECTORY);
	_cleanup_close_ int fd = -EBADF;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (dir < 0)
		return dir;
	fd = openat(dir, "daemon", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
		*ret_pid =
			fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
		return -EBUSY;
	}
	return TAKE_FD(fd);
}

/* What the daemon last wrote of itself, if that process still is there. */
static int pid_by_status(const struct root *r)
{
	_cleanup_free_ char *text = NULL;
	const char *at = NULL;
	int pid;

	if (state_read_text(r, STATE_FILE_STATUS, &text) >= 0 && text)
		at = str_after(text, "pid=");
	pid = at ? (int)strtol(at, NULL, 10) : 0;
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

int state_daemon_pid(const struct root *r)
{
	_cleanup_close_ int fd = root_open_path(r, STATE_RUN_DIR "/daemon", O_RDONLY | O_NONBLOCK);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fd == -EACCES)
		return pid_by_status(r);
	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

/* KEY TAB FLAGS TAB LINK, the link escaped. */
static int parse_name(char *line, struct remembered_names *n)
{
	struct remembered m = {.key = line};
	char *flags = strchr(line, '\t'), *link = flags ? strchr(flags + 1, '\t') : NULL;
	_cleanup_free_ char *name = NULL;
	int r;

	if (!link)
		return 0;
	*flags++ = 0;
	*link++ = 0;
	r = str_unescape(link, strlen(link), &name);
	if (r == -EINVAL || (r >= 0 && (!*name || strchr(name, '/') || !name_is_valid(line))))
		return 0;
	if (r < 0)
		return r;
	m.link = name;
	m.flags = (strstr(flags, "chosen") ? REMEMBERED_CHOSEN : 0U) |
		  (strstr(flags, "parked") ? REMEMBERED_PARKED : 0U);
	return remembered_names_add(n, &m);
}

int state_read_names(const struct root *r, struct remembered_names *ret)
{
	_cleanup_(remembered_names_done) struct remembered_names n = {0};
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	int k = fs_read(r, NAMES, FILE_MAX_BYTES, &text, NULL);

	if (k == -ENOMEM)
		return k;
	if (k < 0 && k != -ENOENT && k != -ENOTDIR)
		n.error = -k;
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == '#')
			continue;
		k = parse_name(line, &n);
		if (k < 0)
			return k;
	}
	*ret = n;
	n = (struct remembered_names){0};
	return 0;
}

int state_write_names(const struct root *r, const struct remembered_names *n, enum fs_write how)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int k;

	buf_add(&b,
		"# Link names of vSMTP plugins, kept by vsmtp-plugind: plugin, whose choice, link\n");
	for (size_t i = 0; i < n->n; i++) {
		const struct remembered *m = &n->items[i];

		buf_printf(&b, "%s\t%s%s\t", m->key,
			   m->flags & REMEMBERED_CHOSEN ? "chosen" : "found",
			   m->flags & REMEMBERED_PARKED ? ",parked" : "");
		buf_escape(&b, m->link);
		buf_add(&b, "\n");
	}
	k = buf_take(&b, &text);
	return k < 0 ? k : fs_write(r, NAMES, text, 0644, how);
}

static int unit_path(const char *what, const char *unit, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (strchr(unit, '/'))
		return -EINVAL;
	buf_printf(&b, STATE_RUN_DIR "/%s-%s", what, unit);
	return buf_take(&b, ret);
}

/* The first line is the invocation, the rest the set. */
static int split_record(const char *text, struct unit_facts *u)
{
	const char *id = str_after(text, "invocation "), *end = id ? strchr(id, '\n') : NULL;

	if (!end)
		return 0;
	free(u->record_invocation);
	u->record_invocation = strndup(id, (size_t)(end - id));
	return u->record_invocation ? str_replace(&u->record, end + 1) : -ENOMEM;
}

/* A number (a time in nanoseconds), 0 if there is none. */
static int64_t read_number(const struct root *r, const char *path)
{
	_cleanup_free_ char *text = NULL;

	return fs_read(r, path, 64, &text, NULL) >= 0 ? strtoll(text, NULL, 10) : 0;
}

static int write_number(const struct root *r, const char *path, int64_t number)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%" PRId64 "\n", number);
	return fs_write(r, path, text, 0644, FS_WRITE_VOLATILE);
}

int state_read_unit(const struct root *r, struct unit_facts *u)
{
	_cleanup_free_ char *path = NULL, *served = NULL, *record = NULL, *requested = NULL;
	int k = unit_path("loaded", u->name, &path);

	if (k >= 0 && fs_read(r, path, FILE_MAX_BYTES, &record, NULL) >= 0)
		k = split_record(record, u);
	if (k == -ENOMEM)
		return k;
	k = state_read_text(r, STATE_FILE_FORBIDDEN, &u->forbidden);
	if (k == -ENOMEM)
		return k;
	u->request_nsec = read_number(r, REQUEST);
	k = unit_path("requested", u->name, &requested);
	if (k >= 0) {
		int64_t of_unit = read_number(r, requested);

		u->request_waits = u->request_nsec > of_unit;
		u->request_nsec = MAX(u->request_nsec, of_unit);
	}
	if (k >= 0)
		k = unit_path("served", u->name, &served);
	if (k >= 0 && read_number(r, served) >= u->request_nsec)
		u->request_nsec = 0;
	return k == -ENOMEM ? k : 0;
}

int state_record_loaded(const struct root *r, const char *unit, const char *invocation,
			const char *set)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int k = unit_path("loaded", unit, &path);

	if (k < 0)
		return k;
	buf_printf(&b, "invocation %s\n", invocation);
	buf_add(&b, set);
	k = buf_take(&b, &text);
	return k < 0 ? k : fs_write(r, path, text, 0644, FS_WRITE_VOLATILE);
}

int state_request_reload(const struct root *r, const char *unit)
{
	_cleanup_free_ char *path = NULL;
	struct timespec now;
	int k = unit ? unit_path("requested", unit, &path) : 0;

	if (k < 0)
		return k;
	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -errno;
	return write_number(r, unit ? path : REQUEST,
			    (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
}

int state_serve_request(const struct root *r, const char *unit, int64_t request_nsec)
{
	_cleanup_free_ char *path = NULL;
	int k = unit_path("served", unit, &path);

	return k < 0 ? k : write_number(r, path, request_nsec);
}

int state_count_change(const struct root *r)
{
	return write_number(r, GENERATION, read_number(r, GENERATION) + 1);
}

static int text_path(const char *file, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_printf(&b, STATE_RUN_DIR "/%s", file);
	return buf_take(&b, ret);
}

int state_write_text(const struct root *r, const char *file, const char *text)
{
	_cleanup_free_ char *path = NULL;
	int k = text_path(file, &path);

	return k < 0 ? k : fs_write(r, path, text, 0644, FS_WRITE_VOLATILE);
}

int state_read_text(const struct root *r, const char *file, char **ret)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	int k = text_path(file, &path);

	if (k >= 0)
		k = fs_read(r, path, FILE_MAX_BYTES, &text, NULL);
	if (k < 0 && k != -ENOENT && k != -ENOTDIR)
		return k;
	*ret = TAKE_PTR(text);
	return 0;
}

int state_directory_key(const struct root *r, const char *path, char **ret)
{
	_cleanup_close_ int fd = root_open_path(r, path, O_PATH | O_NOFOLLOW);
	struct statx st = {0};
	char *key;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) < 0) {
		key = strdup("missing");
	} else if (asprintf(&key, "%llu %lld.%09u", (unsigned long long)st.stx_ino,
			    (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec) < 0) {
		key = NULL;
	}
	if (!key)
		return -ENOMEM;
	*ret = key;
	return 0;
}

int state_directory_read_only(const struct root *r, const char *path)
{
	_cleanup_close_ int fd = root_open_path(r, path, O_PATH | O_NOFOLLOW | O_DIRECTORY);
	struct statvfs st = {0};

	return fd >= 0 && fstatvfs(fd, &st) >= 0 && (st.f_flag & ST_RDONLY) != 0;
}
