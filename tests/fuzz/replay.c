/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Feeds files to a fuzzer's entry point, so that a corpus is an ordinary test. Each argument is a
 * file or a directory of files; a hidden file is passed over. An empty corpus is a mistake. */

#include "base/macro.h"
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

static int replay_file(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ uint8_t *data = NULL;
	struct stat st;
	size_t len;

	if (!f || fstat(fileno(f), &st) < 0)
		return -errno;
	len = (size_t)st.st_size;
	/* Exactly as long as the input, so that a sanitizer sees the byte behind it being read. */
	data = malloc(len ? len : 1);
	if (!data)
		return -ENOMEM;
	if (fread(data, 1, len, f) != len)
		return -EIO;
	return LLVMFuzzerTestOneInput(data, len);
}

static int replay_directory(const char *path, unsigned *n)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort), r = 0;

	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		_cleanup_free_ char *file = NULL;

		if (r == 0 && entries[i]->d_name[0] != '.') {
			r = asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0
				    ? -ENOMEM
				    : replay_file(file);
			(*n)++;
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

int main(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		int r;

		if (stat(argv[i], &st) < 0)
			r = -errno;
		else if (S_ISDIR(st.st_mode))
			r = replay_directory(argv[i], &n);
		else {
			r = replay_file(argv[i]);
			n++;
		}
		if (r != 0) {
			fprintf(stderr, "%s: error %d\n", argv[i], -r);
			return 1;
		}
	}
	printf("%u inputs replayed\n", n);
	return n > 0 ? 0 : 1;
}
