/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A stand-in for the mail server vSMTP, with upstream's manners as far as the kit can meet them:
 * --version prints two lines; -c FILE starts it as a daemon whose parent exits 0 *before* the
 * plugins are loaded; it then loads every entry of the plugins directory, whatever that is; it dies
 * by a signal over a plugin that was built for another version; it ends on SIGTERM and dies on
 * SIGHUP.
 *
 * Each start writes one line to its log: TIME pid=N invocation=ID name=target:ok|error ...
 *
 * Built with VERSION; MANNER picks a server that answers --version badly (see answer_version()).
 * Environment: VSMTP_STANDIN_PLUGINS and VSMTP_STANDIN_LOG override the two paths. */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef MANNER
#define MANNER "fine"
#endif

static const char *env_or(const char *key, const char *otherwise)
{
	const char *value = getenv(key);

	return value && *value ? value : otherwise;
}

static int answer_version(void)
{
	if (!strcmp(MANNER, "old")) {
		printf("vsmtp %s\n", VERSION);
	} else if (!strcmp(MANNER, "hangs")) {
		printf("vsmtp v%s\n", VERSION);
		fflush(stdout);
		for (;;)
			pause();
	} else if (!strcmp(MANNER, "floods")) {
		for (int i = 0; i < 1000000; i++)
			printf("vsmtp v%s and so on and on\n", VERSION);
	} else if (!strcmp(MANNER, "crashes")) {
		abort();
	} else if (!strcmp(MANNER, "fails")) {
		printf("vsmtp v%s\n", VERSION);
		return 3;
	} else if (!strcmp(MANNER, "nonsense")) {
		printf("the answer is %s\n", VERSION);
	} else if (!strcmp(MANNER, "silent")) {
		return 0;
	} else if (!strcmp(MANNER, "grandchild")) {
		if (fork() == 0) { /* keeps the pipe open for ever */
			sleep(600);
			_exit(0);
		}
		printf("vsmtp v%s\ncommit: \n", VERSION);
	} else if (!strcmp(MANNER, "crlf")) {
		printf("vsmtp v%s\r\ncommit: \r\n", VERSION);
	} else {
		printf("vsmtp v%s\ncommit: \n", VERSION);
	}
	return 0;
}

/* As rhai-dylib does: whatever fits the dynamic loader is mapped, and code built for another server
 * is undefined behaviour. Here that is always a crash. */
static void load_one(FILE *line, const char *dir, const char *name, int *crash)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *built_for;
	void *handle;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		fprintf(line, " %s=%s:error(%s)", name, target, dlerror());
		return;
	}
	built_for = dlsym(handle, "standin_built_for");
	if (built_for && strcmp(built_for, VERSION) != 0) {
		fprintf(line, " %s=%s:crash(%s)", name, target, built_for);
		*crash = 1;
		return;
	}
	fprintf(line, " %s=%s:ok", name, target);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_all(FILE *line, int *crash)
{
	const char *dir = env_or("VSMTP_STANDIN_PLUGINS", "/etc/vsmtp/plugins");
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, NULL, by_name);

	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			load_one(line, dir, name, crash);
		free(entries[i]);
	}
	free(entries);
}

static void log_start(const char *text, size_t size)
{
	const char *path = env_or("VSMTP_STANDIN_LOG", "/run/vsmtp-standin.log");
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	if (write(fd, text, size) < 0)
		perror(path);
	close(fd);
}

static void on_term(int number)
{
	(void)number;
	_exit(0);
}

static int serve(void)
{
	struct timespec now;
	char *text = NULL;
	size_t size = 0;
	FILE *line = open_memstream(&text, &size);
	int crash = 0;

	if (!line)
		return 1;
	signal(SIGTERM, on_term);
	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(line, "%lld.%06ld pid=%ld invocation=%s version=%s", (long long)now.tv_sec,
		now.tv_nsec / 1000, (long)getpid(), env_or("INVOCATION_ID", "-"), VERSION);
	load_all(line, &crash);
	fputc('\n', line);
	fclose(line);
	log_start(text, size);
	free(text);
	if (crash)
		abort();
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int daemonize = 1;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--version") || !strcmp(argv[i], "-v"))
			return answer_version();
		if (!strcmp(argv[i], "--no-daemon"))
			daemonize = 0;
		else if (!strcmp(argv[i], "-c") && i + 1 < argc)
			i++;
		else
			return 2;
	}
	/* The parent must be gone before anything is loaded: "started" says nothing about plugins.
	 */
	if (daemonize && daemon(0, 0) < 0)
		return 1;
	if (daemonize)
		usleep(50000);
	return serve();
}
