/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vsmtp-plugin-reload: the program of vsmtp-plugin-reload.service. */

#include "base/macro.h"
#include "config.h"
#include "prog/executor.h"
#include "prog/log.h"

#include <getopt.h>
#include <signal.h>

enum {
	OPTION_ROOT = 256,
};

static void help(void)
{
	(void)printf("Usage: %s [OPTION]\n\n"
		     "Brings the running vSMTP to the plugins it should have: the program of\n"
		     "vsmtp-plugin-reload.service. To ask for a reload: vsmtp-pluginctl reload.\n\n"
		     "  -h, --help     this text\n"
		     "      --version  the version\n",
		     program_invocation_short_name);
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{"root", optional_argument, NULL, OPTION_ROOT},
		{NULL, 0, NULL, 0},
	};

	switch (getopt_long(argc, argv, "h", options, NULL)) {
	case -1:
		if (optind == argc)
			return -1;
		(void)fprintf(stderr, "%s: takes no arguments\n", program_invocation_short_name);
		return 2;
	case 'h':
		help();
		return EXIT_SUCCESS;
	case 'V':
		(void)printf("vsmtp-plugin-reload %s\n", PROJECT_VERSION);
		return EXIT_SUCCESS;
	case OPTION_ROOT:
		/* Nothing runs in an image. */
		(void)fprintf(stderr, "%s: --root: there is no service manager to ask there\n",
			      program_invocation_short_name);
		return 2;
	default:
		return 2;
	}
}

int main(int argc, char **argv)
{
	_cleanup_(root_done) struct root root = ROOT_INIT;
	int r = parse(argc, argv);

	(void)signal(SIGIO, SIG_IGN); /* says that a lease is broken (rule 13), and would end us */
	if (r >= 0)
		return r;
	/* SIGTERM and SIGINT just end us: all that is asked is on disk. */
	r = root_open(NULL, &root);
	if (r < 0) {
		(void)log_errno(LOG_ERR, r, "cannot start");
		return EXIT_FAILURE;
	}
	return executor_run(&root);
}
