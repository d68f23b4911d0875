/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsmtp-pluginctl(1): options, and who does what. */
#include "config.h"
#include "core/version.h"
#include "prog/ctl.h"
#include "prog/log.h"

#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/time.h>

/* One table for the parser and the help. The completions read the help: before the text stand the
 * verbs that alone take it, "sync, reload: ". */
static const struct {
	const char *name;
	const char *argument;
	enum ctl_option flag;
	const char *help;
} options[] = {
	{"root", "DIR", CTL_ROOT, "work on the tree below DIR; never talk to a service manager"},
	{"json", NULL, CTL_JSON, "print JSON (key \"schema\" is its version)"},
	{"dry-run", NULL, CTL_DRY_RUN, "sync: only show what it would do, as `plan` does"},
	{"no-reload", NULL, CTL_NO_RELOAD, "sync, enable, disable: ask for no reload"},
	{"forbid-reload", NULL, CTL_FORBID_RELOAD,
	 "sync: ask for no reload, and leave this one to a person"},
	{"hold", NULL, CTL_HOLD,
	 "sync: while a package manager works, only remove links that lead nowhere"},
	{"plan", "FINGERPRINT", CTL_PLAN, "sync: only if the world is as `plan` saw it"},
	{"force", NULL, CTL_FORCE, "reload: also if nothing is owed"},
	{"keep-fitting", NULL, CTL_KEEP_FITTING,
	 "clean: leave the links that fit, for vSMTP goes on without the kit"},
	{"for", "VERSION", CTL_FOR, "verify: would it fit that vSMTP"},
	{"machine", "CPU", CTL_MACHINE, "verify: on a machine of that kind, as in aarch64"},
	{"ask-program", NULL, CTL_ASK_PROGRAM,
	 "with --root: run that tree's server for its version"},
	{"no-legend", NULL, CTL_NO_LEGEND, "print no headings"},
	{"start-of", "UNIT", CTL_START_OF, "sync: record what this start of UNIT loads"},
	{"hook", "UNIT", CTL_HOOK, "reload: as the ExecReload= of UNIT; ask, and do not wait"},
	{"time-limit", "SPAN", CTL_TIME_LIMIT, "sync, reload: give up after that long"},
	{"wait", "WORD", CTL_WAIT,
	 "sync, reload: for \"no\", \"started\" (the default), \"healthy\""},
	{"wait-limit", "SPAN", CTL_WAIT_LIMIT, "sync, reload: at most that long"},
	{"help", NULL, CTL_HELP, "show this"},
	{"version", NULL, CTL_VERSION, "show the version"},
};

static int help(void)
{
	printf("Usage: vsmtp-pluginctl [OPTION...] VERB [ARGUMENT...]\n\n"
	       "Keeps the plugin links of vSMTP in step with the installed server.\n\nVerbs:\n");
	for (size_t i = 0; verb_at(i); i++) {
		const struct verb *v = verb_at(i);
		int n = printf("  %s %s", v->name, v->arguments);

		printf("%*s%s\n", MAX(24 - n, 1), "", v->help);
	}
	printf("\nOptions:\n");
	for (size_t i = 0; i < ELEMENTSOF(options); i++) {
		int n = printf("  --%s%s%s", options[i].name, options[i].argument ? "=" : "",
			       options[i].argument ? options[i].argument : "");

		printf("%*s%s\n", MAX(24 - n, 1), "", options[i].help);
	}
	printf("\nExit codes: 0 in sync or done, 1 failed or not known, 2 wrong usage, 3 links right "
	       "but the\nreload not confirmed, 4 a plugin that had a link has none that fits, 5 vSMTP "
	       "would load\nwhat others than root control.\n"
	       "More: man vsmtp-pluginctl\n");
	return output_end() < 0 ? CTL_FAILED : CTL_DONE;
}

/* Says what is wrong with the command line, in one line. */
_printf_(1, 2) static int usage(const char *format, ...)
{
	_cleanup_free_ char *text = NULL, *escaped = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		text = NULL;
	escaped = text ? str_escape(text) : NULL;
	(void)fprintf(stderr, "vsmtp-pluginctl: %s; see vsmtp-pluginctl --help\n",
		      escaped ? escaped : "wrong usage");
	return CTL_USAGE;
}

static int parse_fingerprint(const char *text, uint64_t *ret)
{
	if (strlen(text) != 16 || strspn(text, "0123456789abcdefABCDEF") != 16)
		return -EINVAL;
	*ret = strtoull(text, NULL, 16);
	return 0;
}

static int parse_wait(const char *text, enum answer_word *ret)
{
	if (strcmp(text, "no") == 0)
		*ret = ANSWER_NONE;
	else if (strcmp(text, "started") == 0)
		*ret = ANSWER_STARTED;
	else if (strcmp(text, "healthy") == 0)
		*ret = ANSWER_HEALTHY;
	else
		return -EINVAL;
	return 0;
}

/* 0 or an exit code. */
static int take_argument(struct ctl *c, enum ctl_option flag, const char *argument)
{
	switch ((int)flag) {
	case CTL_ROOT:
		c->root_directory = argument;
		return *argument ? 0 : usage("--root= needs a directory");
	case CTL_PLAN:
		return parse_fingerprint(argument, &c->fingerprint) < 0
			       ? usage("--plan=%s is no fingerprint (16 hexadecimal digits)",
				       argument)
			       : 0;
	case CTL_FOR:
		c->version = argument;
		return version_is_valid(argument)
			       ? 0
			       : usage("--for=%s is no version (as in 1.1.0)", argument);
	case CTL_MACHINE:
		c->machine = argument;
		return 0;
	case CTL_START_OF:
	case CTL_HOOK:
		c->unit = argument;
		return !*argument || strchr(argument, '/') || !strchr(argument, '.')
			       ? usage("--%s=%s is no unit", flag == CTL_HOOK ? "hook" : "start-of",
				       argument)
			       : 0;
	case CTL_TIME_LIMIT:
		return config_parse_span(argument, &c->time_limit_usec) < 0 ||
				       c->time_limit_usec == 0
			       ? usage("--time-limit=%s is no time span (as in 5s)", argument)
			       : 0;
	case CTL_WAIT:
		return parse_wait(argument, &c->wait) < 0
			       ? usage("--wait=%s is none of no, started, healthy", argument)
			       : 0;
	default: /* --wait-limit */
		return config_parse_span(argument, &c->wait_limit_usec) < 0
			       ? usage("--wait-limit=%s is no time span (as in 5s)", argument)
			       : 0;
	}
}

static int find_verb(struct ctl *c, char **argv, int n)
{
	if (n == 0)
		return usage("no verb given");
	for (size_t i = 0; verb_at(i); i++)
		if (strcmp(verb_at(i)->name, argv[0]) == 0)
			c->verb = verb_at(i);
	if (!c->verb)
		return usage("no such verb: %s", argv[0]);
	c->arguments = argv + 1;
	c->n_arguments = (size_t)n - 1;
	if (c->n_arguments < c->verb->least)
		return usage("%s needs %s", c->verb->name, c->verb->arguments);
	if (c->n_arguments > c->verb->most)
		return usage("%s does not take \"%s\"", c->verb->name, c->arguments[c->verb->most]);
	for (size_t i = 0; i < c->n_arguments; i++)
		if (!*c->arguments[i])
			return usage("an argument of %s is empty", c->verb->name);
	return 0;
}

static int check_options(const struct ctl *c)
{
	unsigned taken = c->verb->options | CTL_EVERY_VERB;

	for (size_t i = 0; i < ELEMENTSOF(options); i++)
		if (ctl_has(c, options[i].flag) && !(taken & options[i].flag))
			return usage("%s does not take --%s", c->verb->name, options[i].name);
	return 0;
}

/* -1: go on; else the exit code. */
static int parse(struct ctl *c, int argc, char **argv)
{
	struct option list[ELEMENTSOF(options) + 1] = {0};
	int code, r;

	for (size_t i = 0; i < ELEMENTSOF(options); i++)
		list[i] = (struct option){
			.name = options[i].name,
			.has_arg = options[i].argument ? required_argument : no_argument,
			.val = (int)options[i].flag,
		};
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":h", list, NULL)) >= 0) {
		if (code == CTL_HELP || code == 'h')
			return help();
		if (code == CTL_VERSION) {
			printf("vsmtp-pluginctl %s\n", PROJECT_VERSION);
			return output_end() < 0 ? CTL_FAILED : CTL_DONE;
		}
		if (code == ':')
			return usage("%s needs an argument", argv[optind - 1]);
		if (code == '?')
			return usage("option not understood: %s", argv[optind - 1]);
		c->options |= (unsigned)code;
		r = optarg ? take_argument(c, (enum ctl_option)code, optarg) : 0;
		if (r != 0)
			return r;
	}
	r = find_verb(c, argv + optind, argc - optind);
	if (r == 0)
		r = check_options(c);
	return r == 0 ? -1 : r;
}

/* A server that hangs when it is asked for its version must not stay behind in the unit's cgroup:
 * the manager could take it for the main process. One child at most runs at a time. */
static void kill_child(void)
{
	char text[16] = "";
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	int pid = 0;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return;
	for (const char *p = text; *p >= '0' && *p <= '9'; p++)
		pid = pid * 10 + (*p - '0');
	if (pid > 1)
		(void)kill(pid, SIGKILL);
}

/* Everything a pass does may be cut off anywhere: the next one sees to the rest. */
static void on_limit(int number)
{
	static const char text[] = "vsmtp-pluginctl: the time limit is over, giving up\n";
	ssize_t n;

	UNUSED(number);
	kill_child();
	n = write(STDERR_FILENO, text, sizeof(text) - 1);
	UNUSED(n);
	_exit(CTL_FAILED);
}

static int arm_limit(uint64_t usec)
{
	struct itimerval limit = {
		.it_value = {.tv_sec = (time_t)(usec / USEC_PER_SEC),
			     .tv_usec = (suseconds_t)(usec % USEC_PER_SEC)},
	};
	struct sigaction act = {.sa_handler = on_limit};
	sigset_t alarm_only;

	if (usec == 0 || usec == USEC_INFINITY)
		return 0;
	if (sigemptyset(&alarm_only) < 0 || sigaddset(&alarm_only, SIGALRM) < 0 ||
	    sigprocmask(SIG_UNBLOCK, &alarm_only, NULL) < 0 || sigaction(SIGALRM, &act, NULL) < 0 ||
	    setitimer(ITIMER_REAL, &limit, NULL) < 0)
		return -errno;
	return 0;
}

static int run(struct ctl *c)
{
	enum server_flags flags = ctl_has(c, CTL_ASK_PROGRAM) ? SERVER_ASK_PROGRAM : 0;
	int r = arm_limit(c->time_limit_usec), end;

	if (r < 0)
		return log_errno(LOG_ERR, r, "Cannot set the time limit");
	r = root_open(c->root_directory, &c->root);
	if (r < 0) {
		_cleanup_free_ char *shown =
			str_escape(c->root_directory ? c->root_directory : "/");

		return log_errno(LOG_ERR, r, "Cannot open the root %s", shown ? shown : "");
	}
	r = observer_new(&c->root, flags, &c->observer);
	if (r < 0)
		return log_errno(LOG_ERR, r, "Cannot start");
	r = c->verb->run(c);
	if (r == -ENOMEM)
		log_errno(LOG_ERR, r, "Cannot go on");
	end = output_end();
	if (end < 0 && end != -EPIPE)
		return log_errno(LOG_ERR, end, "Cannot write the answer");
	return r;
}

int main(int argc, char **argv)
{
	struct ctl c = {.root = ROOT_INIT, .wait = ANSWER_STARTED};
	int r;

	(void)setlocale(LC_CTYPE, "");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGIO, SIG_IGN); /* says that a lease is broken (rule 13), and would end us */
	r = parse(&c, argc, argv);
	if (r >= 0)
		return r;
	output_init(&c.output, (ctl_has(&c, CTL_NO_LEGEND) ? 0U : OUTPUT_LEGEND) |
				       (ctl_has(&c, CTL_JSON) ? OUTPUT_JSON : 0U));
	r = run(&c);
	unit_manager_close(c.manager);
	observer_free(c.observer);
	root_done(&c.root);
	return r < 0 ? CTL_FAILED : r;
}
