/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/macro.h"
#include "base/str.h"
#include "config.h"
#include "prog/log.h"
#include "prog/manager.h"
#include "sys/conf.h"
#include "sys/mounts.h"
#include "sys/state.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>

struct args {
	const char *root;
	enum server_flags flags;
	bool sandboxed;
};

static void help(void)
{
	(void)printf(
		"Usage: vsmtp-plugind [OPTION...]\n"
		"Keeps the links in /etc/vsmtp/plugins matched to the installed vSMTP.\n\n"
		"      --root=DIR     Serve the tree below DIR; talk to no service manager\n"
		"      --ask-program  With --root: ask that tree's vSMTP for its version by\n"
		"                     running it on this host\n"
		"      --sandboxed    As the unit starts it: end if more can be written than the\n"
		"                     links directory and its own two\n"
		"  -h, --help         Show this help\n"
		"      --version      Show the version\n\n"
		"See vsmtp-plugind(8).\n");
}

/* <0: wrong usage, said; 0: done; >0: go on. */
static int parse_argv(int argc, char *argv[], struct args *ret)
{
	enum {
		ARG_ROOT = 256,
		ARG_ASK_PROGRAM,
		ARG_SANDBOXED,
		ARG_VERSION,
	};
	static const struct option options[] = {
		{"root", required_argument, NULL, ARG_ROOT},
		{"ask-program", no_argument, NULL, ARG_ASK_PROGRAM},
		{"sandboxed", no_argument, NULL, ARG_SANDBOXED},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, ARG_VERSION},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (c) {
		case ARG_ROOT:
			if (!*optarg) {
				(void)fprintf(stderr, "vsmtp-plugind: --root= needs a directory\n");
				return -EINVAL;
			}
			ret->root = optarg;
			break;
		case ARG_ASK_PROGRAM:
			ret->flags |= SERVER_ASK_PROGRAM;
			break;
		case ARG_SANDBOXED:
			ret->sandboxed = true;
			break;
		case 'h':
			help();
			return 0;
		case ARG_VERSION:
			(void)printf("vsmtp-plugind " PROJECT_VERSION "\n");
			return 0;
		default:
			return -EINVAL;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr,
			      "vsmtp-plugind: takes no arguments, only options; see --help\n");
		return -EINVAL;
	}
	return 1;
}

static int block_signals(void)
{
	static const int taken[] = {SIGHUP, SIGTERM, SIGINT};
	sigset_t mask;

	/* A lease that is broken announces itself by SIGIO, which would end us. */
	if (signal(SIGIO, SIG_IGN) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	(void)sigemptyset(&mask);
	for (size_t i = 0; i < ELEMENTSOF(taken); i++) {
		/* Whoever started us may ignore it, and what is ignored does not arrive. */
		if (signal(taken[i], SIG_DFL) == SIG_ERR)
			return -errno;
		(void)sigaddset(&mask, taken[i]);
	}
	return sigprocmask(SIG_BLOCK, &mask, NULL) < 0 ? -errno : 0;
}

/* Before anything else is done: somebody who owns /etc/vsmtp may have put a symlink in the place of
 * the links directory when the sandbox was made, and the directory back by now. */
static int check_sandbox(const struct root *root)
{
	_cleanup_(config_remarks_done) struct config_remarks remarks = {0};
	_cleanup_(config_done) struct config c = {0};
	_cleanup_free_ char *path = NULL, *shown = NULL;
	int r = conf_load(root, &c, &remarks);

	if (r >= 0)
		r = mounts_find_writable(
			(const char *const[]){c.links, STATE_RUN_DIR, STATE_VAR_DIR, NULL}, &path);
	if (r < 0)
		return log_errno(LOG_ERR, r, "Cannot check the sandbox");
	if (r == 0)
		return 0;
	shown = str_escape(path);
	log_msg(LOG_ERR,
		"%s can be written from this sandbox, which is for %s, " STATE_RUN_DIR
		" and " STATE_VAR_DIR
		" only: ending. Was a symlink put in the place of %s? See ls -ld %s",
		shown ? shown : "", c.links, c.links, c.links);
	return -EPERM;
}

int main(int argc, char *argv[])
{
	_cleanup_(root_done) struct root root = ROOT_INIT;
	struct args args = {0};
	int r = parse_argv(argc, argv, &args);

	if (r <= 0)
		return r < 0 ? 2 : 0;
	/* What one pass needs goes back to the kernel with it, but for what most need again. */
	(void)mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 2 * 1024 * 1024);
	r = root_open(args.root, &root);
	if (r < 0) {
		_cleanup_free_ char *shown = str_escape(args.root ? args.root : "/");

		log_errno(LOG_ERR, r, "Cannot open the root %s", shown ? shown : "");
		return 1;
	}
	r = block_signals();
	if (r < 0) {
		log_errno(LOG_ERR, r, "Cannot start");
		return 1;
	}
	r = args.sandboxed ? check_sandbox(&root) : 0;
	if (r >= 0)
		r = manager_run(&root, args.flags);
	return r < 0 ? 1 : r;
}
