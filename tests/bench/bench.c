/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times, from outside, how long after a rename into the store its link can be seen: for the daemon
 * and for the minimal program, in one run, in turns, so that the machine's moods hit both. Prints
 * medians and ratios; judges nothing.
 *
 *   bench PLUGIND MINIMAL PLUGIN_1_0_0.so SERVER_1_0_0 PLUGIN_1_1_0.so SERVER_1_1_0 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 200
#define BURST 200
#define LIMIT_NSEC 20000000000LL

struct subject {
	const char *name;
	const char *program;
	bool is_daemon;
	char tree[PATH_MAX / 4];
	pid_t pid;
};

static struct subject subjects[2] = {{.name = "vsmtp-plugind", .is_daemon = true},
				     {.name = "minimal"}};
static char base[] = "/var/tmp/vsmtp-bench-XXXXXX";

static void stop(struct subject *s)
{
	if (s->pid > 0) {
		(void)kill(s->pid, SIGTERM);
		(void)waitpid(s->pid, NULL, 0);
	}
	s->pid = 0;
}

static void clean_up(void)
{
	char command[PATH_MAX];

	stop(&subjects[0]);
	stop(&subjects[1]);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", base);
	if (system(command) != 0)
		perror(base);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

__attribute__((__format__(__printf__, 2, 3))) static void path(char *out, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(out, PATH_MAX, format, ap);
	va_end(ap);
}

static void copy(const char *from, const char *to, mode_t mode)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out;
	struct stat st;

	(void)unlink(to);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (in < 0 || out < 0 || fstat(in, &st) < 0)
		die(to);
	while (st.st_size > 0) {
		ssize_t n = sendfile(out, in, NULL, (size_t)st.st_size);

		if (n <= 0)
			die(to);
		st.st_size -= n;
	}
	(void)fchmod(out, mode);
	(void)close(in);
	(void)close(out);
}

static void make_tree(struct subject *s, const char *server)
{
	static const char *const directories[] = {
		"",     "/etc",     "/etc/vsmtp",     "/etc/vsmtp/plugins",
		"/usr", "/usr/lib", "/usr/lib/vsmtp", "/usr/sbin",
		"/run", "/var",     "/var/lib",       "/outside",
	};
	char p[PATH_MAX];

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		path(p, "%s%s", s->tree, directories[i]);
		if (mkdir(p, 0755) < 0 && errno != EEXIST)
			die(p);
		(void)chmod(p, 0755);
	}
	path(p, "%s/usr/sbin/vsmtp", s->tree);
	copy(server, p, 0755);
}

static bool is_linked(const struct subject *s, const char *name, const char *version)
{
	char p[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	path(p, "%s/etc/vsmtp/plugins/vsmtp-plugin-%s.so", s->tree, name);
	n = readlink(p, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	return !version || strstr(target, version);
}

static void wait_linked(const struct subject *s, const char *name, const char *version, bool linked)
{
	int64_t start = now();

	while (is_linked(s, name, version) != linked)
		if (now() - start > LIMIT_NSEC) {
			(void)fprintf(stderr, "%s: %s was not %s\n", s->name, name,
				      linked ? "linked" : "unlinked");
			exit(1);
		}
}

static void start(struct subject *s)
{
	char store[PATH_MAX], links[PATH_MAX], root[PATH_MAX];

	path(store, "%s/usr/lib/vsmtp", s->tree);
	path(links, "%s/etc/vsmtp/plugins", s->tree);
	path(root, "--root=%s", s->tree);
	s->pid = fork();
	if (s->pid < 0)
		die("fork");
	if (s->pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		(void)dup2(null, STDERR_FILENO);
		if (s->is_daemon)
			(void)execl(s->program, s->program, root, "--ask-program", NULL);
		else
			(void)execl(s->program, s->program, store, links, NULL);
		_exit(127);
	}
}

/* Puts a copy of the plugin beside the store, to be renamed in. */
static void prepare(const struct subject *s, const char *plugin, const char *name)
{
	char p[PATH_MAX];

	path(p, "%s/outside/%s", s->tree, name);
	copy(plugin, p, 0644);
}

static void rename_in(const struct subject *s, const char *name, const char *version)
{
	char from[PATH_MAX], to[PATH_MAX];

	path(from, "%s/outside/%s", s->tree, name);
	path(to, "%s/usr/lib/vsmtp/libvsmtp-plugin-%s-%s.so", s->tree, name, version);
	if (rename(from, to) < 0)
		die(to);
}

static void remove_plugin(const struct subject *s, const char *name, const char *version)
{
	char p[PATH_MAX];

	path(p, "%s/usr/lib/vsmtp/libvsmtp-plugin-%s-%s.so", s->tree, name, version);
	(void)unlink(p);
	wait_linked(s, name, NULL, false);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static double median(int64_t *t, size_t n)
{
	qsort(t, n, sizeof(*t), compare);
	return (double)t[n / 2] / 1000;
}

static void say(const char *what, double ours, double minimal)
{
	(void)printf("%-34s %10.1f us %10.1f us   ratio %.2f\n", what, ours, minimal,
		     ours / minimal);
}

/* Waits until the daemon has nothing left to do: its settled look is over. */
static void rest(void)
{
	(void)usleep(250000);
}

static int64_t one_rename(const struct subject *s, const char *plugin)
{
	int64_t t;

	prepare(s, plugin, "one");
	rest();
	t = now();
	rename_in(s, "one", "1.0.0");
	wait_linked(s, "one", NULL, true);
	t = now() - t;
	remove_plugin(s, "one", "1.0.0");
	return t;
}

static void fill(const char *plugin, int from, int to)
{
	for (int i = from; i < to; i++)
		for (int j = 0; j < 2; j++) {
			char name[32];

			(void)snprintf(name, sizeof(name), "filler%d", i);
			prepare(&subjects[j], plugin, name);
			rename_in(&subjects[j], name, "1.0.0");
			wait_linked(&subjects[j], name, NULL, true);
		}
}

static void bench_one(const char *plugin, const char *what)
{
	static int64_t times[2][ROUNDS];

	for (int i = -5; i < ROUNDS; i++)
		for (int j = 0; j < 2; j++) {
			int64_t t = one_rename(&subjects[j], plugin);

			if (i >= 0)
				times[j][i] = t;
		}
	say(what, median(times[0], ROUNDS), median(times[1], ROUNDS));
}

static void bench_burst(const char *plugin)
{
	enum {
		TURNS = 9
	};
	int64_t times[2][TURNS];

	for (int i = 0; i < TURNS; i++)
		for (int j = 0; j < 2; j++) {
			char name[32];
			int64_t t;

			for (int k = 0; k < BURST; k++) {
				(void)snprintf(name, sizeof(name), "burst%d", k);
				prepare(&subjects[j], plugin, name);
			}
			rest();
			t = now();
			for (int k = 0; k < BURST; k++) {
				(void)snprintf(name, sizeof(name), "burst%d", k);
				rename_in(&subjects[j], name, "1.0.0");
			}
			for (int k = 0; k < BURST; k++) {
				(void)snprintf(name, sizeof(name), "burst%d", k);
				wait_linked(&subjects[j], name, NULL, true);
			}
			times[j][i] = now() - t;
			for (int k = 0; k < BURST; k++) {
				(void)snprintf(name, sizeof(name), "burst%d", k);
				remove_plugin(&subjects[j], name, "1.0.0");
			}
		}
	say("burst of 200, all links", median(times[0], TURNS), median(times[1], TURNS));
}

/* Both versions of 200 plugins lie in the store; the program changes, and all links must follow.
 * The minimal program knows no versions: what it has to do at best is to make 200 links. */
static void bench_flip(struct subject *s, char *const *files, const char *what)
{
	enum {
		TURNS = 9
	};
	int64_t times[TURNS];
	char name[32], program[PATH_MAX], fresh[PATH_MAX];

	for (int k = 0; k < BURST; k++)
		for (int v = 0; v < 2; v++) {
			(void)snprintf(name, sizeof(name), "flip%d", k);
			prepare(s, files[v * 2], name);
			rename_in(s, name, v == 0 ? "1.0.0" : "1.1.0");
		}
	path(program, "%s/usr/sbin/vsmtp", s->tree);
	path(fresh, "%s/outside/vsmtp", s->tree);
	for (int i = 0; i < TURNS; i++) {
		const char *version = i % 2 == 0 ? "1.1.0" : "1.0.0";

		copy(files[i % 2 == 0 ? 3 : 1], fresh, 0755);
		rest();
		times[i] = now();
		if (rename(fresh, program) < 0)
			die(program);
		for (int k = 0; k < BURST; k++) {
			(void)snprintf(name, sizeof(name), "flip%d", k);
			wait_linked(s, name, version, true);
		}
		times[i] = now() - times[i];
	}
	(void)printf("%-34s %10.1f us\n", what, median(times, TURNS));
}

int main(int argc, char *argv[])
{
	if (argc != 7) {
		(void)fprintf(stderr, "bench: see the head of bench.c\n");
		return 2;
	}
	if (!mkdtemp(base))
		die(base);
	(void)atexit(clean_up);
	(void)chmod(base, 0755);
	for (int j = 0; j < 2; j++) {
		subjects[j].program = argv[1 + j];
		(void)snprintf(subjects[j].tree, sizeof(subjects[j].tree), "%s/%d", base, j);
		make_tree(&subjects[j], argv[4]);
		start(&subjects[j]);
	}
	rest();
	(void)printf("%-34s %13s %13s\n", "", "vsmtp-plugind", "minimal");
	fill(argv[3], 0, 10);
	bench_one(argv[3], "one rename into a store of 10");
	fill(argv[3], 10, 1000);
	bench_one(argv[3], "one rename into a store of 1,000");
	bench_burst(argv[3]);
	bench_flip(&subjects[0], argv + 3, "version flip of 200");
	return 0;
}
