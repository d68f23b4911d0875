/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The yardstick: what the kit does, without any of its reasons. Asks the server for its version,
 * and links what the store has for it, by symlink and rename; then watches both with inotify. It
 * looks at no file, judges nobody, takes no lock and keeps no record.
 *
 *   minimal STORE LINKS PROGRAM */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS (IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE)

static const char *store, *program;
static int links;
static char suffix[64]; /* of the files that fit: "-1.0.0.so" */

static void ask(void)
{
	char *const argv[] = {(char *)(unsigned long)program, (char[]){"--version"}, NULL};
	char answer[128] = "", version[32] = "";
	posix_spawn_file_actions_t actions;
	int out[2];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		exit(1);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	if (posix_spawn(&pid, program, &actions, NULL, argv, environ) == 0) {
		(void)close(out[1]);
		(void)!read(out[0], answer, sizeof(answer) - 1);
		(void)waitpid(pid, NULL, 0);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(out[0]);
	(void)sscanf(answer, "vsmtp v%31s", version);
	(void)snprintf(suffix, sizeof(suffix), "-%s.so", version);
}

/* libvsmtp-plugin-NAME-1.0.0.so -> vsmtp-plugin-NAME.so, if that version fits. */
static bool link_name(const char *file, char name[static NAME_MAX + 1])
{
	size_t len = strlen(file), end = strlen(suffix);

	if (len < end + 3 || strncmp(file, "lib", 3) != 0 || strcmp(file + len - end, suffix) != 0)
		return false;
	(void)snprintf(name, NAME_MAX + 1, "%.*s.so", (int)(len - end) - 3, file + 3);
	return true;
}

static void place(const char *file, const char *name)
{
	char target[PATH_MAX], now[PATH_MAX];
	int len = snprintf(target, sizeof(target), "%s/%s", store, file);
	ssize_t n = readlinkat(links, name, now, sizeof(now));

	if (n == len && memcmp(now, target, (size_t)n) == 0)
		return;
	if (symlinkat(target, links, ".minimal") == 0)
		(void)renameat(links, ".minimal", links, name);
}

static void look(void)
{
	DIR *dir = opendir(store);
	char name[NAME_MAX + 1];

	ask();
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (link_name(e->d_name, name))
			place(e->d_name, name);
	(void)closedir(dir);
}

static void act(const struct inotify_event *e, int of_program)
{
	char name[NAME_MAX + 1];

	if (e->wd == of_program) {
		if (strcmp(e->name, strrchr(program, '/') + 1) == 0)
			look();
	} else if (e->len > 0 && link_name(e->name, name)) {
		if (e->mask & (IN_DELETE | IN_MOVED_FROM))
			(void)unlinkat(links, name, 0);
		else
			place(e->name, name);
	}
}

int main(int argc, char *argv[])
{
	_Alignas(struct inotify_event) char buffer[16384];
	char directory[PATH_MAX];
	int fd = inotify_init1(IN_CLOEXEC), of_program;
	ssize_t n;

	if (argc != 4)
		return 2;
	store = argv[1];
	program = argv[3];
	(void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(program, '/') - program),
		       program);
	links = open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
	of_program = inotify_add_watch(fd, directory, EVENTS);
	if (links < 0 || of_program < 0 || inotify_add_watch(fd, store, EVENTS) < 0) {
		perror("minimal");
		return 1;
	}
	look();
	while ((n = read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR))
		for (char *p = buffer; p < buffer + n;) {
			const struct inotify_event *e = (const struct inotify_event *)(void *)p;

			act(e, of_program);
			p += sizeof(*e) + e->len;
		}
	return 1;
}
