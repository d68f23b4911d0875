/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/state.h"

#include "base/str.h"
#include "core/version.h"
#include "sys/clock.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#define NAMES_FORMAT "# format " /* those of before have none */
#define FILE_MAX_BYTES ((size_t)64 * 1024 * 1024)

int state_prepare(const struct root *r)
{
	static const char *const directories[] = {
		"/var", "/var/lib", STATE_VAR_DIR, "/run", STATE_RUN_DIR,
	};
	size_t n = ELEMENTSOF(directories) - (r->run_is_foreign ? 2 : 0);

	for (size_t i = 0; i < n; i++) {
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
		char path[PATH_MAX];

		if (fd < 0 || fs_list(fd, &names) < 0)
			continue; /* the next pass may */
		for (char **n = names; n && *n; n++)
			if (is_left_over(*n) &&
			    snprintf(path, sizeof(path), "%s/%s", directories[i], *n) > 0)
				(void)!fs_unlink(r, path);
	}
}

/* The lock file holds the pid of who took it last. */
static void read_holder(int fd, struct lock_holder *ret)
{
	char text[32] = "", path[64];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	_cleanup_close_ int comm = -EBADF;

	*ret = (struct lock_holder){.pid = n > 0 ? (int)strtol(text, NULL, 10) : 0};
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", ret->pid);
	comm = ret->pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;
	n = comm >= 0 ? read(comm, ret->command, sizeof(ret->command) - 1) : 0;
	ret->command[MAX(n, 0)] = 0;
	ret->command[strcspn(ret->command, "\n")] = 0;
}

static bool is_told_to_end(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

int state_lock(const struct root *r, uint64_t limit_usec, struct lock_holder *ret_holder)
{
	_cleanup_close_ int dir = root_open_path(
		r, r->run_is_foreign ? STATE_VAR_DIR : STATE_RUN_DIR, O_PATH | O_DIRECTORY);
	_cleanup_close_ int fd = -EBADF;
	uint64_t end = clock_usec(CLOCK_MONOTONIC) + limit_usec;
	struct timespec step = {.tv_nsec = 500 * 1000};

	if (dir < 0)
		return dir;
	fd = openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return -errno;
	/* Tried again, not waited for: a stopped process may hold it, and flock(2) has no limit. */
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (is_told_to_end())
			return -EINTR;
		if (clock_usec(CLOCK_MONOTONIC) >= end) {
			read_holder(fd, ret_holder);
			return -ETIMEDOUT;
		}
		(void)nanosleep(&step, NULL);
		step.tv_nsec = MIN(step.tv_nsec * 2, 20 * 1000 * 1000);
	}
	/* A full /run only costs the next one a name. */
	if (ftruncate(fd, 0) == 0)
		(void)!dprintf(fd, "%d\n", (int)getpid());
	return TAKE_FD(fd);
}

static int open_role(const struct root *r, enum state_role role, int flags)
{
	static const char *const files[STATE_ROLE_MAX] = {
		[STATE_ROLE_DAEMON] = STATE_FILE_DAEMON,
		[STATE_ROLE_EXECUTOR] = STATE_FILE_EXECUTOR,
	};
	_cleanup_close_ int dir = root_open_path(r, STATE_RUN_DIR, O_PATH | O_DIRECTORY);
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, files[role], flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	return fd < 0 ? -errno : fd;
}

/* The lock is a POSIX one, so that whoever finds it taken can ask by whom (fcntl(2), F_GETLK).
 * Nobody else may open the file: a lock for reading, which anyone may take, would keep us out. */
int state_take_role(const struct root *r, enum state_role role, enum state_wait wait)
{
	_cleanup_close_ int fd = open_role(r, role, O_RDWR | O_CREAT);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fd < 0)
		return fd;
	while (fcntl(fd, wait == STATE_WAIT ? F_SETLKW : F_SETLK, &lock) < 0)
		if (errno != EINTR)
			return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
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

int state_role_pid(const struct root *r, enum state_role role)
{
	_cleanup_close_ int fd = open_role(r, role, O_RDONLY);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fd == -EACCES)
		return role == STATE_ROLE_DAEMON ? pid_by_status(r) : fd;
	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

/* The last of the flags, of files that say no version: VERSION:IDENTITY. A damaged one is none. */
#define FILE_FLAG ",linked-for="

static void parse_file(char *flags, struct remembered *m)
{
	char *at = strstr(flags, FILE_FLAG), *file = at ? strchr(at, ':') : NULL;

	if (!file)
		return;
	*at = *file++ = 0;
	at += strlen(FILE_FLAG);
	if (version_is_valid(at) && *file) {
		m->file = file;
		m->file_for = at;
	}
}

/* KEY TAB FLAGS TAB LINK, the link escaped; it becomes plain in its place. -EBADMSG if it is none. */
static int parse_line(char *line, struct remembered_names *n)
{
	const char *format = str_after(line, NAMES_FORMAT);
	struct remembered m = {.key = line};
	char *field[3], *link;
	int r;

	if (line[0] == '#')
		return format && strtoul(format, NULL, 10) > 1 ? -EPROTONOSUPPORT : 0;
	if (!str_fields(line, field, ELEMENTSOF(field)))
		return -EBADMSG;
	link = field[2];
	r = str_unescape_here(link);
	if (r == -EINVAL || (r >= 0 && (!*link || strchr(link, '/') || !name_is_valid(line))))
		return -EBADMSG;
	if (r < 0)
		return r;
	m.link = link;
	parse_file(field[1], &m);
	m.flags = (strstr(field[1], "chosen") ? REMEMBERED_CHOSEN : 0U) |
		  (strstr(field[1], "parked") ? REMEMBERED_PARKED : 0U);
	return remembered_names_add(n, &m);
}

int state_read_names(const struct root *r, struct remembered_names *ret)
{
	_cleanup_(remembered_names_done) struct remembered_names n = {0};
	size_t len = 0;
	int k = fs_read(r, STATE_NAMES, FILE_MAX_BYTES, &n.text, &len);

	/* There is a line at least, and each ends, the last one too: else it is cut off. */
	for (char *at = n.text, *next; k >= 0 && (n.line == 0 || at < n.text + len); at = next) {
		n.line++;
		next = strchr(at, '\n');
		if (next)
			*next++ = 0;
		k = next ? parse_line(at, &n) : -EBADMSG;
	}
	if (k == -ENOMEM)
		return k;
	if (k < 0)
		n.n = 0;
	if (k < 0 && k != -ENOENT && k != -ENOTDIR)
		n.error = -k;
	*ret = TAKE(n);
	return 0;
}

int state_write_names(const struct root *r, const struct remembered_names *n)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int k;

	buf_add(&b, NAMES_FORMAT "1: link names of vSMTP plugins, kept by vsmtp-plugind: plugin, "
				 "whose choice, link\n");
	for (size_t i = 0; i < n->n; i++) {
		const struct remembered *m = &n->items[i];

		buf_add(&b, m->key);
		buf_add(&b, m->flags & REMEMBERED_CHOSEN ? "\tchosen" : "\tfound");
		buf_add(&b, m->flags & REMEMBERED_PARKED ? ",parked" : "");
		if (m->file)
			buf_printf(&b, FILE_FLAG "%s:%s", m->file_for, m->file);
		buf_add(&b, "\t");
		buf_escape(&b, m->link);
		buf_add(&b, "\n");
	}
	k = buf_take(&b, &text);
	return k < 0 ? k : fs_write(r, STATE_NAMES, text, 0644, FS_WRITE_DURABLE);
}

int state_count_change(const struct root *r)
{
	_cleanup_free_ char *text = NULL;
	char number[32];

	(void)!state_read_text(r, STATE_FILE_GENERATION, &text);
	(void)snprintf(number, sizeof(number), "%lld\n", (text ? strtoll(text, NULL, 10) : 0) + 1);
	return state_write_text(r, STATE_FILE_GENERATION, number);
}

int state_write_text(const struct root *r, const char *file, const char *text)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), STATE_RUN_DIR "/%s", file);
	return fs_write(r, path, text, 0644, FS_WRITE_VOLATILE);
}

int state_read_text(const struct root *r, const char *file, char **ret)
{
	char path[PATH_MAX];
	int k;

	(void)snprintf(path, sizeof(path), STATE_RUN_DIR "/%s", file);
	k = fs_read(r, path, FILE_MAX_BYTES, ret, NULL);
	return k == -ENOENT || k == -ENOTDIR ? 0 : k;
}

int state_watch(const struct root *r, const char *directory)
{
	_cleanup_close_ int dir = root_open_path(r, directory, O_RDONLY | O_DIRECTORY);
	_cleanup_close_ int fd = dir < 0 ? -EBADF : inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char path[64];

	if (dir < 0)
		return dir;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO | IN_CREATE) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int state_directory_key(const struct root *r, const char *path, char **ret)
{
	_cleanup_close_ int fd = root_open_path(r, path, O_PATH | O_NOFOLLOW);
	struct statx st = {0};
	char key[80] = "missing";

	if (fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) == 0)
		(void)snprintf(key, sizeof(key), "%llu %lld.%09u", (unsigned long long)st.stx_ino,
			       (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
	return str_replace(ret, key);
}

int state_directory_read_only(const struct root *r, const char *path)
{
	_cleanup_close_ int fd = root_open_path(r, path, O_PATH | O_NOFOLLOW | O_DIRECTORY);
	struct statvfs st = {0};

	return fd >= 0 && fstatvfs(fd, &st) >= 0 && (st.f_flag & ST_RDONLY) != 0;
}
