/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/booted.h"

#include <sys/stat.h>

static bool is_same(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) >= 0 && stat(b, &y) >= 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Who may not look at process 1's root (a sandbox) is no less at home for that; without /proc there
 * is nothing to look at, and no system that has booted is without it. */
static bool in_chroot(void)
{
	const char *ignore = getenv("SYSTEMD_IGNORE_CHROOT"); /* as for systemctl(1) */

	if (ignore && ignore[0] == '1')
		return false;
	if (access("/proc/self", F_OK) < 0)
		return true;
	return access("/proc/1/root/.", F_OK) >= 0 && !is_same("/proc/1/root", "/");
}

bool booted(const struct root *r)
{
	struct stat st;

	return root_is_host(r) && lstat("/run/systemd/system", &st) >= 0 && S_ISDIR(st.st_mode) &&
	       !in_chroot();
}

bool booted_run_is_foreign(void)
{
	return in_chroot() && (is_same("/proc/1/root/run", "/run") ||
			       access("/run/systemd/system", F_OK) >= 0);
}
