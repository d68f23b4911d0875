/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/pkglock.h"

#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>

/* lock-frontend comes first: apt holds it from end to end, the other one only while dpkg runs. */
static const struct {
	const char *directory;
	const char *name;
	const char *path;
} locks[] = {
	{"/var/lib/dpkg", "lock-frontend", "/var/lib/dpkg/lock-frontend"},
	{"/var/lib/dpkg", "lock", "/var/lib/dpkg/lock"},
	{"/var/lib/rpm", ".rpm.lock", "/var/lib/rpm/.rpm.lock"},
	{"/usr/lib/sysimage/rpm", ".rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock"},
};

/* Where processes of others are invisible (ProtectProc=) nothing is learnt. */
static void read_command(struct lock_facts *l)
{
	_cleanup_close_ int fd = -EBADF;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", l->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, l->command, sizeof(l->command) - 1);
	l->command[MAX(n, (ssize_t)0)] = 0;
	l->command[strcspn(l->command, "\n")] = 0;
}

/* 1: held, 0: not, -errno. */
static int ask_one(const struct root *r, const char *path, struct lock_facts *l)
{
	_cleanup_close_ int fd =
		root_open_path(r, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	/* Would reading be shut out? Package managers lock for writing; a lock for reading may be
	 * anybody's who can open rpm's file. */
	struct flock question = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	if (fd < 0)
		return fs_is_fatal(fd) || fd == -EACCES ? fd : 0;
	if (fcntl(fd, F_OFD_GETLK, &question) < 0 || question.l_type == F_UNLCK)
		return 0;
	l->path = path;
	l->pid = MAX(question.l_pid, 0); /* a lock of an open file has no process: -1 */
	if (l->pid > 0)
		read_command(l);
	return 1;
}

int pkglock_ask(const struct root *r, struct lock_facts *ret)
{
	struct lock_facts l = {0};
	int k = 0, error = 0;

	for (size_t i = 0; k <= 0 && i < ELEMENTSOF(locks); i++) {
		k = ask_one(r, locks[i].path, &l);
		if (k < 0)
			error = k;
	}
	if (k <= 0 && error < 0)
		return error;
	*ret = l;
	return 0;
}

int pkglock_visit(const struct root *r, fs_visit_fn visit, void *userdata)
{
	for (size_t i = 0; i < ELEMENTSOF(locks); i++) {
		_cleanup_(walk_done) struct walk w = WALK_INIT;
		int k = fs_walk(r, locks[i].directory, 0, visit, userdata, &w);

		/* As if missing even if it is there: its being closed is what matters. */
		if (k >= 0 && w.error == 0 && S_ISDIR(w.st.st_mode))
			k = visit(userdata, w.fd, w.resolved, locks[i].name, true);
		if (k < 0)
			return k;
	}
	return 0;
}

void pkglock_wake(const struct root *r, int inotify_fd)
{
	for (size_t i = 0; i < ELEMENTSOF(locks); i++) {
		_cleanup_close_ int fd = root_open_path(r, locks[i].path, O_PATH | O_NOFOLLOW);
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fd >= 0)
			(void)!inotify_add_watch(inotify_fd, path, IN_CLOSE_WRITE);
	}
}
