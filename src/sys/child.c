/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/child.h"

#include "base/str.h"
#include "sys/clock.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* A child that runs. Whoever leaves takes the whole group down and reaps the child, so no exit
 * leaves a zombie or a process behind. */
struct child {
	pid_t pid; /* 0: none */
	int pid_fd;
	int out_fd;
};

void child_answer_done(struct child_answer *a)
{
	if (!a)
		return;
	free(a->text);
	*a = (struct child_answer){0};
}

static int child_reap(struct child *c, siginfo_t *ret)
{
	pid_t pid = c->pid;

	/* The group first: as long as the child is not reaped its number is nobody else's. */
	(void)kill(-pid, SIGKILL);
	c->pid = 0;
	while (waitid(P_PID, (id_t)pid, ret, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void child_done(struct child *c)
{
	siginfo_t unused;

	if (c->pid > 0)
		(void)child_reap(c, &unused);
	c->pid_fd = fd_close(c->pid_fd);
	c->out_fd = fd_close(c->out_fd);
}

/* stdout is set before /dev/null is opened: the pipe may sit on one of the three numbers. False if
 * there is no memory for it; nothing else of this can fail. */
static bool fill_actions(posix_spawn_file_actions_t *a, int out_fd)
{
	static const char nowhere[] = "/dev/null";

	return posix_spawn_file_actions_adddup2(a, out_fd, STDOUT_FILENO) == 0 &&
	       posix_spawn_file_actions_addopen(a, STDIN_FILENO, nowhere, O_RDONLY, 0) == 0 &&
	       posix_spawn_file_actions_addopen(a, STDERR_FILENO, nowhere, O_WRONLY, 0) == 0 &&
	       posix_spawn_file_actions_addchdir_np(a, "/") == 0 &&
	       posix_spawn_file_actions_addclosefrom_np(a, STDERR_FILENO + 1) == 0;
}

/* 0, -errno, or what posix_spawn(3) said in *ret_not_run. */
static int child_spawn(struct child *c, const char *const *argv, const char *const *envp,
		       int out_fd, int *ret_not_run)
{
	_cleanup_(posix_spawn_file_actions_destroy) posix_spawn_file_actions_t actions;
	_cleanup_(posix_spawnattr_destroy) posix_spawnattr_t attributes;
	sigset_t none, all;

	/* None of these can fail with glibc. Nothing of how we handle signals is its business. */
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setsigdefault(&attributes, &all);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
							    POSIX_SPAWN_SETSID);
	if (!fill_actions(&actions, out_fd))
		return -ENOMEM;
	/* It changes neither list: the prototype is older than const. */
	*ret_not_run = posix_spawn(&c->pid, argv[0], &actions, &attributes,
				   (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
	if (*ret_not_run != 0)
		c->pid = 0;
	return 0;
}

/* Reads what is there. *ret_open: more may come. -EOVERFLOW: more than the bound. */
static int child_drain(struct child *c, struct buf *text, size_t max, bool *ret_open)
{
	char part[4096];

	for (;;) {
		ssize_t n = read(c->out_fd, part, sizeof(part));

		if (n < 0 && errno == EINTR)
			continue;
		*ret_open = n < 0 && errno == EAGAIN;
		if (n <= 0)
			return n == 0 || *ret_open ? 0 : -errno;
		buf_add_len(text, part, MIN((size_t)n, max - text->len));
		if (text->failed)
			return -ENOMEM;
		if (text->len >= max && (size_t)n > 0)
			return -EOVERFLOW;
	}
}

/* Waits until the child has ended (not until the pipe is closed: a grandchild may keep it). 0,
 * -ETIMEDOUT, -EOVERFLOW, -errno. */
static int child_follow(struct child *c, struct buf *text, size_t max, uint64_t timeout_usec)
{
	uint64_t start = clock_usec(CLOCK_MONOTONIC);
	bool open = true;

	for (;;) {
		struct pollfd fds[] = {{.fd = c->pid_fd, .events = POLLIN},
				       {.fd = open ? c->out_fd : -1, .events = POLLIN}};
		uint64_t gone = clock_usec(CLOCK_MONOTONIC) - start;
		struct timespec left;
		int r;

		if (gone >= timeout_usec)
			return -ETIMEDOUT;
		left = clock_timespec(timeout_usec - gone);
		r = ppoll(fds, ELEMENTSOF(fds), &left, NULL);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		r = open ? child_drain(c, text, max, &open) : 0;
		if (r < 0 || fds[0].revents)
			return r;
	}
}

static int child_end(struct child *c, int followed, struct child_answer *a)
{
	siginfo_t info = {0};
	int r = child_reap(c, &info);

	if (followed == -ETIMEDOUT || followed == -EOVERFLOW) {
		a->end = followed == -ETIMEDOUT ? CHILD_TIMED_OUT : CHILD_FLOODED;
		return 0;
	}
	if (followed < 0)
		return followed;
	if (r < 0) { /* SIGCHLD is ignored in our process: how it ended is lost */
		a->end = CHILD_NOT_RUN;
		a->number = -r;
		return 0;
	}
	a->end = info.si_code == CLD_EXITED ? CHILD_EXITED : CHILD_SIGNALLED;
	a->number = info.si_status;
	return 0;
}

static int child_start(struct child *c, const char *const *argv, const char *const *envp,
		       int *ret_not_run)
{
	_cleanup_close_ int write_fd = -EBADF;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	c->out_fd = fds[0];
	write_fd = fds[1];
	if (fcntl(c->out_fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = child_spawn(c, argv, envp, write_fd, ret_not_run);
	if (r < 0 || *ret_not_run)
		return r;
	c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	return c->pid_fd < 0 ? -errno : 0;
}

int child_ask(const char *const *argv, const char *const *envp, size_t max, uint64_t timeout_usec,
	      struct child_answer *ret)
{
	_cleanup_(child_done) struct child c = {.pid_fd = -EBADF, .out_fd = -EBADF};
	_cleanup_(child_answer_done) struct child_answer a = {0};
	_cleanup_buf_ struct buf text = BUF_INIT;
	int not_run = 0;
	int r = child_start(&c, argv, envp, &not_run);

	if (r < 0)
		return r;
	if (not_run) {
		a.end = CHILD_NOT_RUN;
		a.number = not_run;
	} else {
		/* A byte of room over the bound: an answer of just that length is not too long. */
		r = child_follow(&c, &text, max + 1, timeout_usec);
		r = child_end(&c, r, &a);
		if (r < 0)
			return r;
	}
	buf_add(&text, "");
	r = buf_take(&text, &a.text);
	if (r < 0)
		return r;
	*ret = a;
	a = (struct child_answer){0};
	return 0;
}
