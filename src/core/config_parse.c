/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/config_parse.h"
#include "base/str.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts blanks off both ends; *ret_end is behind what is left. */
static char *trim(char *p, char *end, char **ret_end)
{
	while (p < end && is_blank(*p))
		p++;
	while (p < end && is_blank(end[-1]))
		end--;
	*ret_end = end;
	return p;
}

static bool is_comment(char *p, char *end)
{
	p = trim(p, end, &end);
	return p < end && (*p == '#' || *p == ';');
}

/* An even number of backslashes stands for itself. */
static bool is_continued(const char *p, const char *end)
{
	size_t n = 0;

	while (n < (size_t)(end - p) && end[-1 - (ptrdiff_t)n] == '\\')
		n++;
	return n % 2 == 1;
}

/* A whole line. False if it is empty. */
static bool split(char *p, char *end, struct config_line *l)
{
	char *equals;

	p = trim(p, end, &end);
	if (p == end)
		return false;
	*end = 0;
	l->opens = *p == '[';
	l->value = p;
	if (strlen(p) < (size_t)(end - p)) {
		l->problem = CONFIG_NUL_BYTE;
	} else if (l->opens && end[-1] == ']') {
		end[-1] = 0;
		l->section = p + 1;
	} else {
		equals = l->opens ? NULL : strchr(p, '=');
		if (equals && equals > p) {
			l->key = p;
			l->value = trim(equals + 1, end, &end);
			(void)trim(p, equals, &end);
			*end = 0;
		} else {
			l->problem = CONFIG_NOT_A_LINE;
		}
	}
	return true;
}

/* Lines end with LF, CR LF or CR. */
static char *end_of_line(char *p, char *end, char **ret_next)
{
	while (p < end && *p != '\n' && *p != '\r')
		p++;
	*ret_next = MIN(p + (p + 1 < end && p[0] == '\r' && p[1] == '\n' ? 2 : 1), end);
	return p;
}

bool config_take_line(struct config_text *t, struct config_line *ret)
{
	char *start = NULL, *to = NULL;

	*ret = (struct config_line){.problem = CONFIG_PROBLEM_MAX};
	if (t->number == 0 && t->end - t->next >= 3 && memcmp(t->next, "\xef\xbb\xbf", 3) == 0)
		t->next += 3;
	while (t->next < t->end) {
		char *p = t->next, *end = end_of_line(p, t->end, &t->next);
		bool continued = is_continued(p, end);

		t->number++;
		/* A comment between continued lines is passed over and does not end them. */
		if (is_comment(p, end))
			continue;
		if (!start) {
			start = to = p;
			ret->number = t->number;
		}
		/* Put together in place: a blank instead of the backslash, no end of line. */
		memmove(to, p, (size_t)(end - p));
		to += end - p;
		if (continued)
			to[-1] = ' ';
		else if (split(start, to, ret))
			return true;
		else
			start = NULL;
	}
	return start && split(start, to, ret);
}
