/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/watch.h"

#include "base/str.h"
#include "sys/mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/inotify.h>

/* IN_ATTRIB: a parent's owner and mode decide as well (rule 12). */
#define SELF_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR)
#define ENTRY_EVENTS \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB)

/* A watched directory. Two paths can lead to one directory and then share a descriptor. */
struct place {
	char *path;
	int wd;
	bool all;       /* every entry matters */
	char **names;   /* or only these */
	uint64_t round; /* last armed in */
};

struct watch {
	const struct root *root;
	int fd;
	int mounts_fd;
	uint64_t mounts; /* hash of the lines that matter */
	struct place *places;
	size_t n;
	uint64_t round;
	int limited;
};

int watch_new(const struct root *root, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->root = root;
	w->mounts_fd = -EBADF;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		int e = errno;

		free(w);
		return -e;
	}
	/* Without /proc mounts go unseen; everything else works. */
	w->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	*ret = w;
	return 0;
}

static void place_done(struct place *p)
{
	free(p->path);
	strv_free(p->names);
}

struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->n; i++)
		place_done(&w->places[i]);
	free(w->places);
	fd_close(w->fd);
	fd_close(w->mounts_fd);
	free(w);
	return NULL;
}

int watch_fd(const struct watch *w)
{
	return w->fd;
}

int watch_mounts_fd(const struct watch *w)
{
	return w->mounts_fd;
}

int watch_limited(const struct watch *w)
{
	return w->limited;
}

void watch_begin(struct watch *w)
{
	w->round++;
	w->limited = 0;
}

static bool shares(const struct watch *w, const struct place *p, uint64_t round)
{
	for (size_t i = 0; i < w->n; i++)
		if (&w->places[i] != p && w->places[i].wd == p->wd && w->places[i].round == round)
			return true;
	return false;
}

void watch_end(struct watch *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct place *p = &w->places[i];

		if (p->round != w->round && p->wd >= 0 && !shares(w, p, w->round))
			(void)inotify_rm_watch(w->fd, p->wd);
	}
	for (size_t i = 0; i < w->n; i++) {
		if (w->places[i].round == w->round)
			w->places[n++] = w->places[i];
		else
			place_done(&w->places[i]);
	}
	w->n = n;
}

static int find_place(struct watch *w, const char *path, struct place **ret)
{
	struct place *grown;

	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->places[i].path, path) == 0) {
			*ret = &w->places[i];
			return 0;
		}
	grown = reallocarray(w->places, w->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	w->places = grown;
	grown[w->n] = (struct place){.path = strdup(path), .wd = -1};
	if (!grown[w->n].path)
		return -ENOMEM;
	*ret = &grown[w->n++];
	return 0;
}

/* The path leads to another directory now: what was there is watched no more, unless it is a place
 * under another path, too. */
static void forget_old(struct watch *w, struct place *p, int wd)
{
	bool shared = false;

	for (size_t i = 0; i < w->n; i++)
		shared = shared || (&w->places[i] != p && w->places[i].wd == p->wd);
	if (p->wd >= 0 && p->wd != wd && !shared)
		(void)inotify_rm_watch(w->fd, p->wd);
}

int watch_visit(void *userdata, int dir_fd, const char *dir_path, const char *next, bool next_moves)
{
	struct watch *w = userdata;
	struct place *p = NULL;
	uint32_t mask = SELF_EVENTS;
	char fd_path[64];
	int r = find_place(w, dir_path, &p), wd;

	if (r < 0)
		return r;
	if (p->round != w->round) {
		p->round = w->round;
		p->all = false;
		strv_free(TAKE_PTR(p->names));
	}
	if (!next)
		p->all = true;
	else if (next_moves && !strv_has(p->names, next))
		r = strv_add(&p->names, next);
	if (r < 0)
		return r;
	if (p->all || p->names)
		mask |= ENTRY_EVENTS;
	(void)snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", dir_fd);
	/* Added, not set: another path may have armed the same directory for more. */
	wd = inotify_add_watch(w->fd, fd_path, mask | IN_MASK_ADD);
	if (wd < 0 &&
	    errno == ENOENT) { /* no /proc: by its path, which is as good unless it moves */
		_cleanup_free_ char *path = root_host_path(w->root, dir_path);

		wd = path ? inotify_add_watch(w->fd, path, mask | IN_MASK_ADD) : -1;
	}
	if (wd < 0 && errno == ENOMEM)
		return -ENOMEM;
	if (wd < 0 && errno != ENOTDIR && errno != ENOENT && errno != EACCES)
		w->limited = errno;
	forget_old(w, p, wd);
	p->wd = wd;
	return 0;
}

void watch_news_done(struct watch_news *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->names[i].name);
	free(n->names);
	*n = (struct watch_news){0};
}

static int add_name(struct watch_news *news, const char *dir, const char *name)
{
	struct watch_name *grown;

	for (size_t i = news->n; i > 0 && i + 8 > news->n; i--) /* bursts repeat themselves */
		if (news->names[i - 1].dir == dir && strcmp(news->names[i - 1].name, name) == 0)
			return 0;
	if (news->n >= WATCH_NAMES_MAX) {
		news->look = true;
		return 0;
	}
	grown = reallocarray(news->names, news->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	news->names = grown;
	grown[news->n] = (struct watch_name){.dir = dir, .name = strdup(name)};
	if (!grown[news->n].name)
		return -ENOMEM;
	news->n++;
	return 0;
}

static int take_event(struct watch *w, const struct inotify_event *e, struct watch_news *news)
{
	if (e->mask & IN_Q_OVERFLOW)
		news->look = true;
	for (size_t i = 0; i < w->n; i++) {
		struct place *p = &w->places[i];
		int r;

		if (p->wd != e->wd || p->wd < 0)
			continue;
		if (e->mask & IN_IGNORED)
			p->wd = -1;
		if (e->len == 0 || (e->mask & IN_ISDIR && p->all)) {
			news->look = true;
		} else if (p->all) {
			r = add_name(news, p->path, e->name);
			if (r < 0)
				return r;
		} else if (strv_has(p->names, e->name)) {
			news->look = true;
		}
	}
	return 0;
}

int watch_read(struct watch *w, struct watch_news *ret)
{
	_Alignas(struct inotify_event) char buffer[16384];
	_cleanup_(watch_news_done) struct watch_news news = {0};

	for (;;) {
		ssize_t n = read(w->fd, buffer, sizeof(buffer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0)
			break;
		for (char *p = buffer; p < buffer + n;) {
			const struct inotify_event *e = (const struct inotify_event *)(void *)p;
			int r = take_event(w, e, &news);

			if (r < 0)
				return r;
			p += sizeof(*e) + e->len;
		}
		/* A short read has emptied the queue; what comes later wakes us again. */
		if ((size_t)n + sizeof(struct inotify_event) + NAME_MAX + 1 <= sizeof(buffer))
			break;
	}
	*ret = news;
	news = (struct watch_news){0};
	return 0;
}

/* One is above the other, or they are the same. */
static bool related(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), k = MIN(n, m);

	if (n == 1 || m == 1)
		return true;
	return memcmp(a, b, k) == 0 && (n == m || (n < m ? b[k] : a[k]) == '/');
}

static bool concerns(const struct watch *w, const char *point)
{
	for (size_t i = 0; i < w->n; i++) {
		_cleanup_free_ char *path = root_host_path(w->root, w->places[i].path);

		/* Its ancestors are places too; the root and what is above the tree say nothing
		 * new. */
		if (path && w->places[i].all && related(path, point))
			return true;
	}
	return false;
}

int watch_mounts_moved(struct watch *w)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	uint64_t hash = STR_HASH_INIT, was = w->mounts;
	size_t room = 0;
	ssize_t n;

	if (w->mounts_fd < 0)
		return 0;
	if (lseek(w->mounts_fd, 0, SEEK_SET) < 0)
		return -errno;
	f = fdopen(fcntl(w->mounts_fd, F_DUPFD_CLOEXEC, 3), "re");
	if (!f)
		return -errno;
	while ((n = getline(&line, &room, f)) > 0) {
		_cleanup_free_ char *copy = strdup(line);
		const char *point = copy ? mounts_point(copy) : NULL;

		if (!copy)
			return -ENOMEM;
		if (point && concerns(w, point))
			hash = str_hash(hash, line, (size_t)n);
	}
	w->mounts = hash;
	return was != hash;
}
