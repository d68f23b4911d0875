/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The yardstick: what the kit does, without any of its reasons. Watches a store with inotify; for
 * each file renamed in it makes a link by symlink and rename, for each one removed it removes the
 * link. It looks at no file, asks nobody's version, takes no lock and keeps no record.
 *
 *   minimal STORE LINKS */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* libvsmtp-plugin-NAME-1.0.0.so -> vsmtp-plugin-NAME.so */
static void link_name(const char *file, char *name, size_t size)
{
	const char *version = strrchr(file, '-');
	int n = (version ? (int)(version - file) : (int)strlen(file)) - 3;

	(void)snprintf(name, size, "%.*s.so", n, file + 3);
}

static void act(int links, const char *store, const struct inotify_event *e)
{
	char name[NAME_MAX + 1], target[PATH_MAX];

	if (e->len < 4 || strncmp(e->name, "lib", 3) != 0)
		return;
	link_name(e->name, name, sizeof(name));
	if (e->mask & (IN_DELETE | IN_MOVED_FROM)) {
		(void)unlinkat(links, name, 0);
		return;
	}
	(void)snprintf(target, sizeof(target), "%s/%s", store, e->name);
	(void)unlinkat(links, ".minimal", 0);
	if (symlinkat(target, links, ".minimal") == 0)
		(void)renameat(links, ".minimal", links, name);
}

int main(int argc, char *argv[])
{
	_Alignas(struct inotify_event) char buffer[16384];
	int fd = inotify_init1(IN_CLOEXEC), links;
	ssize_t n;

	if (argc != 3)
		return 2;
	links = open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || links < 0 ||
	    inotify_add_watch(fd, argv[1],
			      IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE) < 0) {
		perror("minimal");
		return 1;
	}
	while ((n = read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR))
		for (char *p = buffer; p < buffer + n;) {
			const struct inotify_event *e = (const struct inotify_event *)(void *)p;

			act(links, argv[1], e);
			p += sizeof(*e) + e->len;
		}
	return 1;
}
