/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/mounts.h"

#include "base/str.h"
#include "core/name.h"

#include <fcntl.h>
#include <sys/statvfs.h>

char *mounts_point(char *line)
{
	char *save = NULL, *field = strtok_r(line, " ", &save), *to;

	for (int i = 0; field && i < 4; i++)
		field = strtok_r(NULL, " ", &save);
	to = field;
	for (char *from = field; from && *from; to++) {
		if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 4;
		} else {
			*to = *from++;
		}
	}
	if (to)
		*to = 0;
	return field;
}

static bool is_among(const char *const *directories, const char *path)
{
	for (; *directories; directories++)
		if (str_eq(path, *directories) || path_below(path, *directories))
			return true;
	return false;
}

/* The mount on top decides, whatever the table says of others at the same place. */
static bool is_writable(const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statvfs st;

	return fd >= 0 && fstatvfs(fd, &st) == 0 && (st.f_flag & ST_RDONLY) == 0;
}

int mounts_find_writable(const char *const *allowed, char **ret_path)
{
	static const char *const kernels[] = {"/proc", "/sys", "/dev", NULL};
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		const char *point = mounts_point(line);

		if (!point || is_among(allowed, point) || is_among(kernels, point) ||
		    !is_writable(point))
			continue;
		*ret_path = strdup(point);
		return *ret_path ? 1 : -ENOMEM;
	}
	return ferror(f) ? -EIO : 0;
}
