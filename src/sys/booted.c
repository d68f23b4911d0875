/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/booted.h"

#include <fcntl.h>
#include <sys/stat.h>

static bool is_same(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) >= 0 && stat(b, &y) >= 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The top of a system, or of a container, is mounted; a directory in it need not be. */
static bool is_mounted(const char *path)
{
	struct statx st = {0};

	return statx(AT_FDCWD, path, 0, STATX_INO, &st) < 0 ||
	       !(st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) ||
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* A sandbox may not look at process 1's root; without /proc there is nothing to look at, and no
 * system that has booted is without it. */
static bool in_chroot(void)
{
	const char *ignore = getenv("SYSTEMD_IGNORE_CHROOT"); /* as for systemctl(1) */

	if (ignore && ignore[0] == '1')
		return false;
	if (access("/proc/self", F_OK) < 0)
		return true;
	if (access("/proc/1/root/.", F_OK) < 0)
		return !is_mounted("/");
	return !is_same("/proc/1/root", "/");
}

bool booted(const struct root *r)
{
	struct stat st;

	return root_is_host(r) && lstat("/run/systemd/system", &st) >= 0 && S_ISDIR(st.st_mode) &&
	       !in_chroot();
}

bool booted_run_is_foreign(void)
{
	return in_chroot() &&
	       (is_same("/proc/1/root/run", "/run") || access("/run/systemd/system", F_OK) >= 0);
}
