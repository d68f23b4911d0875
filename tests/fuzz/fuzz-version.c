/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "core/version.h"
#include "fuzz.h"

static int sign(int c)
{
	return (c > 0) - (c < 0);
}

/* Whatever gives a version gives a valid one, which every form with SemVer in it keeps as it is. */
static void check_result(int r, char *taken)
{
	_cleanup_free_ char *version = taken, *config = NULL;

	must(r == 0 || r == -EINVAL);
	must((r == 0) == (version != NULL));
	if (!version)
		return;
	must(version_is_valid(version));
	must(version_is_in_name(version, strlen(version)));
	must(version_from_config(version, &config) == 0);
	must(str_eq(version, config));
}

static int from_name(const char *text, char **ret)
{
	if (!version_is_in_name(text, strlen(text)))
		return -EINVAL;
	*ret = strdup(text);
	must(*ret);
	if (strchr(*ret, '~'))
		*strchr(*ret, '~') = '-';
	return 0;
}

static void check_forms(const char *text)
{
	static int (*const forms[])(const char *, char **) = {
		from_name, version_from_package, version_from_config, version_from_answer};
	_cleanup_free_ char *line = NULL, *said = NULL;
	int r;

	for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
		char *version = NULL;

		r = forms[i](text, &version);
		check_result(r, version);
	}

	must(asprintf(&line, "vsmtp v%s\r\ncommit: \n", text) > 0);
	r = version_from_answer(line, &said);
	if (version_is_valid(text)) {
		must(r == 0);
		must(str_eq(said, text));
	} else
		check_result(r, TAKE_PTR(said));
}

static void check_order(const char *a, const char *b, const char *c)
{
	int ab = sign(version_compare(a, b)), bc = sign(version_compare(b, c));

	must(version_compare(a, a) == 0);
	must(ab == -sign(version_compare(b, a)));
	must(version_equal(a, b) == (ab == 0));
	/* Transitive, equality too. */
	if (ab == bc || bc == 0)
		must(sign(version_compare(a, c)) == ab);
}

/* Build metadata decides nothing. */
static void check_build(const char *a)
{
	_cleanup_free_ char *with = NULL;

	must(asprintf(&with, "%s%sx.1-2", a, strchr(a, '+') ? "." : "+") > 0);
	must(version_equal(a, with));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *raw = NULL;
	char *texts[3];

	must(!version_is_valid_len((const char *)data, size) || !memchr(data, 0, size));
	must(!version_is_in_name((const char *)data, size) || !memchr(data, 0, size));
	raw = strndup((const char *)data, size);
	must(raw);
	check_forms(raw);

	for (size_t i = 0; i < 3; i++) {
		texts[i] = fuzz_take_text(&data, &size);
		check_forms(texts[i]);
	}
	if (version_is_valid(texts[0])) {
		check_build(texts[0]);
		if (version_is_valid(texts[1]) && version_is_valid(texts[2]))
			check_order(texts[0], texts[1], texts[2]);
	}
	for (size_t i = 0; i < 3; i++)
		free(texts[i]);
	return 0;
}
