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

/* The kernel makes the table anew for each read: few, then. */
#define TABLE_BUFFER ((size_t)64 * 1024)

enum interest_kind {
	INTEREST_SELF, /* only the directory itself */
	INTEREST_NAME,
	INTEREST_ALL,
};

struct interest {
	unsigned subject;
	enum interest_kind kind;
	char *name;
	bool stale; /* not armed again since watch_begin() */
};

/* A watched directory. Two paths can lead to one directory and then share a descriptor. */
struct place {
	char *path;
	char *host_path;
	int wd;
	int error; /* errno: why it is not watched */
	struct interest *interests;
	size_t n;
};

struct watch {
	const struct root *root;
	int fd;
	int mounts_fd;
	uint64_t mounts; /* hash of the lines that matter */
	struct place *places;
	size_t n;
	unsigned subject;
	bool shifted;
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
	for (size_t i = 0; i < p->n; i++)
		free(p->interests[i].name);
	free(p->interests);
	free(p->path);
	free(p->host_path);
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
	for (size_t i = 0; i < w->n; i++)
		if (w->places[i].error)
			return w->places[i].error;
	return 0;
}

bool watch_is_blind(const struct watch *w, unsigned subject)
{
	for (size_t i = 0; w && i < w->n; i++)
		for (size_t j = 0; w->places[i].wd < 0 && j < w->places[i].n; j++)
			if (w->places[i].interests[j].subject == subject)
				return true;
	return false;
}

bool watch_has_shifted(struct watch *w)
{
	bool shifted = w && w->shifted;

	if (w)
		w->shifted = false;
	return shifted;
}

unsigned watch_turn(struct watch *w, unsigned subject)
{
	unsigned before = w ? w->subject : 0;

	if (w)
		w->subject = subject;
	return before;
}

void watch_begin(struct watch *w, unsigned subject)
{
	(void)watch_turn(w, subject);
	for (size_t i = 0; w && i < w->n; i++)
		for (size_t j = 0; j < w->places[i].n; j++)
			if (w->places[i].interests[j].subject == subject)
				w->places[i].interests[j].stale = true;
}

static bool is_shared(const struct watch *w, const struct place *p)
{
	for (size_t i = 0; i < w->n; i++)
		if (&w->places[i] != p && w->places[i].wd == p->wd)
			return true;
	return false;
}

static void drop_stale(struct place *p, unsigned subject)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (p->interests[i].subject == subject && p->interests[i].stale)
			free(p->interests[i].name);
		else
			p->interests[n++] = p->interests[i];
	}
	p->n = n;
}

void watch_end(struct watch *w, unsigned subject)
{
	for (size_t i = 0; w && i < w->n;) {
		struct place *p = &w->places[i];

		drop_stale(p, subject);
		if (p->n > 0) {
			i++;
			continue;
		}
		if (p->wd >= 0 && !is_shared(w, p))
			(void)inotify_rm_watch(w->fd, p->wd);
		place_done(p);
		*p = w->places[--w->n];
	}
}

static int find_place(struct watch *w, const char *path, struct place **ret)
{
	struct place made = {.wd = -1};

	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->places[i].path, path) == 0) {
			*ret = &w->places[i];
			return 0;
		}
	if (GROW(w->places, w->n) < 0)
		return -ENOMEM;
	made.path = strdup(path);
	made.host_path = root_host_path(w->root, path);
	if (!made.path || !made.host_path) {
		place_done(&made);
		return -ENOMEM;
	}
	w->places[w->n] = made;
	*ret = &w->places[w->n++];
	return 0;
}

static int add_interest(struct place *p, unsigned subject, enum interest_kind kind,
			const char *name)
{
	struct interest made = {.subject = subject, .kind = kind};

	for (size_t i = 0; i < p->n; i++) {
		struct interest *x = &p->interests[i];

		if (x->subject == subject && x->kind == kind &&
		    (kind != INTEREST_NAME || strcmp(x->name, name) == 0)) {
			x->stale = false;
			return 0;
		}
	}
	if (GROW(p->interests, p->n) < 0 ||
	    (kind == INTEREST_NAME && str_replace(&made.name, name) < 0))
		return -ENOMEM;
	p->interests[p->n++] = made;
	return 0;
}

static bool has_others(const struct place *p, unsigned subject)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->interests[i].subject != subject)
			return true;
	return false;
}

int watch_visit(void *userdata, int dir_fd, const char *dir_path, const char *next, bool next_moves)
{
	struct watch *w = userdata;
	enum interest_kind kind = !next ? INTEREST_ALL : next_moves ? INTEREST_NAME : INTEREST_SELF;
	uint32_t mask = SELF_EVENTS | (kind == INTEREST_SELF ? 0 : ENTRY_EVENTS);
	struct place *p = NULL;
	char fd_path[64];
	int r = w ? find_place(w, dir_path, &p) : 0, wd, e;

	if (!w)
		return 0;
	if (r >= 0)
		r = add_interest(p, w->subject, kind, next);
	if (r < 0)
		return r;
	(void)snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", dir_fd);
	/* Added, not set: another subject may have armed the same directory for more. */
	wd = inotify_add_watch(w->fd, fd_path, mask | IN_MASK_ADD);
	if (wd < 0 && errno == ENOENT) /* no /proc: by its path, which is as good unless it moves */
		wd = inotify_add_watch(w->fd, p->host_path, mask | IN_MASK_ADD);
	e = wd < 0 ? errno : 0;
	if (e == ENOMEM)
		return -ENOMEM;
	p->error = e == ENOTDIR || e == ENOENT || e == EACCES ? 0 : e;
	/* The path leads to another directory now: what was there is watched no more, unless it is
	 * a place under another path, too. */
	if (p->wd != wd && p->wd >= 0 && !is_shared(w, p))
		(void)inotify_rm_watch(w->fd, p->wd);
	w->shifted = w->shifted || (p->wd != wd && has_others(p, w->subject));
	p->wd = wd;
	return 0;
}

int watch_walk(struct watch *w, const struct root *r, const char *path, enum walk_flags flags,
	       struct walk *ret)
{
	return fs_walk(r, path, flags, w ? watch_visit : NULL, w, ret);
}

static int tell_place(const struct place *p, const struct inotify_event *e, watch_news_fn tell,
		      void *userdata)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->n; i++) {
		const struct interest *x = &p->interests[i];

		if (e->len == 0 || (x->kind == INTEREST_NAME && strcmp(x->name, e->name) == 0))
			r = tell(userdata, x->subject, p->path, NULL);
		else if (x->kind == INTEREST_ALL)
			r = tell(userdata, x->subject, p->path, e->name);
	}
	return r;
}

static int take_event(struct watch *w, const struct inotify_event *e, watch_news_fn tell,
		      void *userdata)
{
	for (size_t i = 0; i < w->n; i++) {
		struct place *p = &w->places[i];
		int r;

		if (p->wd != e->wd || p->wd < 0)
			continue;
		if (e->mask & IN_IGNORED)
			p->wd = -1;
		r = tell_place(p, e, tell, userdata);
		if (r < 0)
			return r;
	}
	return (e->mask & IN_Q_OVERFLOW) != 0;
}

int watch_read(struct watch *w, watch_news_fn tell, void *userdata)
{
	_Alignas(struct inotify_event) char buffer[16384];
	int lost = 0;

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
			int r = take_event(w, e, tell, userdata);

			if (r < 0)
				return r;
			lost |= r;
			p += sizeof(*e) + e->len;
		}
		/* A short read has emptied the queue; what comes later wakes us again. */
		if ((size_t)n + sizeof(struct inotify_event) + NAME_MAX + 1 <= sizeof(buffer))
			break;
	}
	return lost;
}

/* One is above the other, or they are the same. */
static bool related(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), k = MIN(n, m);

	if (n == 1 || m == 1)
		return true;
	return memcmp(a, b, k) == 0 && (n == m || (n < m ? b[k] : a[k]) == '/');
}

/* Its ancestors are places too; the root and what is above the tree say nothing new. */
static bool concerns(const struct watch *w, const char *point)
{
	for (size_t i = 0; i < w->n; i++)
		for (size_t j = 0; j < w->places[i].n; j++)
			if (w->places[i].interests[j].kind == INTEREST_ALL &&
			    related(w->places[i].host_path, point))
				return true;
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
	(void)setvbuf(f, NULL, _IOFBF, TABLE_BUFFER);
	while ((n = getline(&line, &room, f)) > 0) {
		uint64_t of_line = str_hash(hash, line, (size_t)n);
		const char *point = mounts_point(line);

		if (point && concerns(w, point))
			hash = of_line;
	}
	w->mounts = hash;
	return was != hash;
}
