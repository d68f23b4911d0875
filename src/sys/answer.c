/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/answer.h"

#include "base/str.h"
#include "sys/clock.h"
#include "sys/state.h"

#include <inttypes.h>
#include <poll.h>

#define FILE_ANSWER "answer"
#define FORMAT "format 1\n"

static const char *const words[ANSWER_WORD_MAX] = {
	[ANSWER_NONE] = "none",
	[ANSWER_LOOKED] = "looked",
	[ANSWER_WAITING] = "waiting",
	[ANSWER_ACTING] = "acting",
	[ANSWER_STARTED] = "started",
	[ANSWER_NOT_RUNNING] = "not-running",
	[ANSWER_NOTHING_OWED] = "nothing-owed",
	[ANSWER_HEALTHY] = "healthy",
	[ANSWER_FORBIDDEN] = "forbidden",
	[ANSWER_REFUSED] = "refused",
	[ANSWER_GAVE_UP] = "gave-up",
	[ANSWER_FAILED] = "failed",
};

const char *answer_word_to_string(enum answer_word w)
{
	return words[w];
}

enum answer_word answer_join(enum answer_word a, enum answer_word b)
{
	if (answer_is_last(a) && answer_is_last(b))
		return MAX(a, b);
	return MIN(a, b);
}

void answered_done(struct answered *a)
{
	free(a->name);
	free(a->text);
	*a = (struct answered){0};
}

void answer_done(struct answer *a)
{
	for (size_t i = 0; i < a->n; i++)
		answered_done(&a->items[i]);
	free(a->items);
	*a = (struct answer){0};
}

int answer_add(struct answer *a, const struct answered *item)
{
	_cleanup_(answered_done) struct answered copy = *item;
	struct answered *more;

	copy.name = strdup(item->name);
	copy.text = strdup(item->text);
	if (!copy.name || !copy.text)
		return -ENOMEM;
	more = reallocarray(a->items, a->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	a->items = more;
	a->items[a->n++] = TAKE(copy);
	return 0;
}

const struct answered *answer_find(const struct answer *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++)
		if (str_eq(a->items[i].name, name))
			return &a->items[i];
	return NULL;
}

/* ---- the file ---- */

int answer_write(const struct root *r, const struct answer *a)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int k;

	buf_printf(&b, FORMAT "pid %d\n", a->pid);
	for (size_t i = 0; i < a->n; i++) {
		const struct answered *at = &a->items[i];

		buf_add(&b, at->name);
		buf_printf(&b, "\t%s\t%s\t%" PRIu64 "\t", words[at->word],
			   decide_why_to_string(at->why), at->until_usec);
		buf_escape(&b, at->text);
		buf_add(&b, "\n");
	}
	k = buf_take(&b, &text);
	return k < 0 ? k : state_write_text(r, FILE_ANSWER, text);
}

/* 0 (also for a line that is none) or -ENOMEM. */
static int parse_line(char *line, struct answer *to)
{
	struct answered a = {0};
	char *field[5];
	int k;

	if (!str_fields(line, field, ELEMENTSOF(field)))
		return 0;
	a.word = (enum answer_word)str_index(words, ANSWER_WORD_MAX, field[1]);
	for (size_t i = 0; i < DECIDE_WHY_MAX; i++)
		if (str_eq(field[2], decide_why_to_string((enum decide_why)i)))
			a.why = (enum decide_why)i;
	k = str_unescape_here(field[4]);
	if (k < 0 || a.word == ANSWER_WORD_MAX)
		return k == -ENOMEM ? k : 0;
	a.until_usec = strtoull(field[3], NULL, 10);
	a.name = field[0];
	a.text = field[4];
	return answer_add(to, &a);
}

int answer_read(const struct root *r, struct answer *ret)
{
	_cleanup_(answer_done) struct answer a = {0};
	_cleanup_free_ char *text = NULL;
	char *rest, *line;
	int k = state_read_text(r, FILE_ANSWER, &text);

	if (k < 0)
		return k;
	rest = text && str_after(text, FORMAT "pid ") ? text : NULL;
	if (rest)
		a.pid = (int)strtol(text + strlen(FORMAT "pid "), NULL, 10);
	while (rest && k >= 0 && (line = strsep(&rest, "\n")))
		k = parse_line(line, &a);
	if (k < 0)
		return k;
	*ret = TAKE(a);
	return 0;
}

/* ---- waiting for it ---- */

/* What the answer says to all of these. */
static int join(const struct root *r, char *const *names, struct answered *ret)
{
	_cleanup_(answer_done) struct answer a = {0};
	enum answer_word word = ANSWER_WORD_MAX;
	int k = answer_read(r, &a);

	if (k < 0)
		return k;
	for (; *names; names++) {
		const struct answered *at = answer_find(&a, *names);
		enum answer_word w = at ? at->word : ANSWER_NONE;
		enum answer_word joined = word == ANSWER_WORD_MAX ? w : answer_join(word, w);

		if (at && joined != word) {
			ret->why = at->why;
			ret->until_usec = at->until_usec;
			if (str_replace(&ret->text, at->text) < 0)
				return -ENOMEM;
		}
		word = joined;
	}
	ret->word = word;
	return 0;
}

int answer_wait(const struct root *r, char *const *names, enum answer_word least,
		uint64_t deadline_usec, struct answered *ret)
{
	_cleanup_close_ int fd = state_watch(r, STATE_RUN_DIR);
	char events[4096];
	int k;

	if (fd < 0)
		return fd;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t now = clock_usec(CLOCK_BOOTTIME);
		struct timespec left;

		while (read(fd, events, sizeof(events)) > 0)
			;
		k = join(r, names, ret);
		if (k < 0)
			return k;
		if (answer_is_last(ret->word) || ret->word >= least)
			return 1;
		if (now >= deadline_usec)
			return 0;
		left = clock_timespec(deadline_usec - now);
		if (ppoll(&p, 1, &left, NULL) < 0 && errno != EINTR)
			return -errno;
	}
}
