/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/version.h"
#include "base/str.h"

/* Written out: the grammar knows ASCII only, whatever the locale says. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_identifier_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static size_t span(const char *p, const char *end, bool (*accepts)(char))
{
	const char *q = p;

	while (q < end && accepts(*q))
		q++;
	return (size_t)(q - p);
}

static bool has_leading_zero(const char *p, size_t n)
{
	return n > 1 && p[0] == '0';
}

/* Reads `number(.number){2}`; returns what follows, or NULL. */
static const char *skip_core(const char *p, const char *end)
{
	for (int i = 0; i < 3; i++) {
		size_t n;

		if (i > 0) {
			if (p == end || *p != '.')
				return NULL;
			p++;
		}
		n = span(p, end, is_digit);
		if (n == 0 || has_leading_zero(p, n))
			return NULL;
		p += n;
	}
	return p;
}

enum identifiers {
	IDENTIFIERS_PRE_RELEASE, /* a numeric one has no leading zero */
	IDENTIFIERS_BUILD,
};

/* Reads `identifier(.identifier)*`; returns what follows, or NULL. */
static const char *skip_identifiers(const char *p, const char *end, enum identifiers kind)
{
	for (;;) {
		size_t n = span(p, end, is_identifier_char);

		if (n == 0)
			return NULL;
		if (kind == IDENTIFIERS_PRE_RELEASE && has_leading_zero(p, n) &&
		    span(p, p + n, is_digit) == n)
			return NULL;
		p += n;
		if (p == end || *p != '.')
			return p;
		p++;
	}
}

/* `dashes`: what may stand where SemVer has its first `-`. */
static bool is_version(const char *text, size_t len, const char *dashes)
{
	const char *end = text + len, *p = skip_core(text, end);

	if (p && p < end && *p && strchr(dashes, *p))
		p = skip_identifiers(p + 1, end, IDENTIFIERS_PRE_RELEASE);
	if (p && p < end && *p == '+')
		p = skip_identifiers(p + 1, end, IDENTIFIERS_BUILD);
	return p == end;
}

bool version_is_valid_len(const char *text, size_t len)
{
	return is_version(text, len, "-");
}

bool version_is_valid(const char *text)
{
	return version_is_valid_len(text, strlen(text));
}

bool version_is_in_name(const char *text, size_t len)
{
	return is_version(text, len, "-~");
}

/* Numbers of any length: without leading zeros the longer one is the greater one. */
static int compare_digits(const char *a, size_t n, const char *b, size_t m)
{
	if (n != m)
		return n < m ? -1 : 1;
	return memcmp(a, b, n);
}

static int compare_identifiers(const char *a, size_t n, const char *b, size_t m)
{
	bool a_number = span(a, a + n, is_digit) == n, b_number = span(b, b + m, is_digit) == m;
	int c;

	if (a_number && b_number)
		return compare_digits(a, n, b, m);
	if (a_number != b_number)
		return a_number ? -1 : 1;
	c = memcmp(a, b, MIN(n, m));
	if (c == 0 && n != m)
		c = n < m ? -1 : 1;
	return c;
}

/* What precedence looks at ends where the build metadata begins. */
static const char *end_of_precedence(const char *text)
{
	return text + strcspn(text, "+");
}

/* Compares dot-separated lists; of two that agree the longer one is greater. */
static int compare_lists(const char *a, const char *a_end, const char *b, const char *b_end)
{
	for (;;) {
		size_t n = span(a, a_end, is_identifier_char);
		size_t m = span(b, b_end, is_identifier_char);
		int c = compare_identifiers(a, n, b, m);

		if (c != 0)
			return c;
		a += n;
		b += m;
		if (a == a_end || b == b_end)
			return (a != a_end) - (b != b_end);
		a++;
		b++;
	}
}

int version_compare(const char *a, const char *b)
{
	const char *a_end, *b_end, *a_pre, *b_pre;
	int c;

	if (!a || !b)
		return (a != NULL) - (b != NULL);

	a_end = end_of_precedence(a);
	b_end = end_of_precedence(b);
	a_pre = a + strcspn(a, "-+");
	b_pre = b + strcspn(b, "-+");
	c = compare_lists(a, a_pre, b, b_pre);
	if (c != 0)
		return c;
	/* A pre-release comes before its release. */
	if (a_pre == a_end || b_pre == b_end)
		return (a_pre == a_end) - (b_pre == b_end);
	return compare_lists(a_pre + 1, a_end, b_pre + 1, b_end);
}

bool version_equal(const char *a, const char *b)
{
	return a && b && (strcmp(a, b) == 0 || version_compare(a, b) == 0);
}

/* Copies the text, with `-` where it has its first `~`, if the result is a version. */
static int take_version(const char *text, size_t len, char **ret)
{
	_cleanup_free_ char *copy = NULL;
	char *tilde;

	if (memchr(text, 0, len))
		return -EINVAL;
	copy = strndup(text, len);
	if (!copy)
		return -ENOMEM;
	tilde = strchr(copy, '~');
	if (tilde)
		*tilde = '-';
	if (!version_is_valid(copy))
		return -EINVAL;
	*ret = TAKE_PTR(copy);
	return 0;
}

int version_from_package(const char *text, char **ret)
{
	static const char really[] = "+really";
	size_t epoch = span(text, text + strlen(text), is_digit);
	const char *revision, *older;

	if (text[epoch] == ':') {
		if (epoch == 0)
			return -EINVAL;
		text += epoch + 1;
	}
	/* An upload that goes back to an older one, under a version that sorts as newer. */
	older = strstr(text, really);
	if (older)
		text = older + strlen(really);
	revision = strrchr(text, '-');
	return take_version(text, revision ? (size_t)(revision - text) : strlen(text), ret);
}

int version_from_config(const char *text, char **ret)
{
	if (!version_is_valid(text) && strpbrk(text, ":~"))
		return version_from_package(text, ret);
	/* Holds no tilde here, so nothing is rewritten. */
	return take_version(text, strlen(text), ret);
}

int version_from_answer(const char *answer, char **ret)
{
	static const char blanks[] = " \t";
	const char *end = answer + strcspn(answer, "\r\n");
	const char *word = answer + strspn(answer, blanks);
	size_t n = strcspn(word, " \t\r\n");

	if (n != strlen("vsmtp") || memcmp(word, "vsmtp", n) != 0)
		return -EINVAL;
	/* Only the end of a line may follow a carriage return. */
	if (*end == '\r' && end[1] != '\n' && end[1] != 0)
		return -EINVAL;
	word += n;
	word += strspn(word, blanks);
	n = strcspn(word, " \t\r\n");
	if (n > 0 && *word == 'v') {
		word++;
		n--;
	}
	if (!version_is_valid_len(word, n))
		return -EINVAL;
	return take_version(word, n, ret);
}
