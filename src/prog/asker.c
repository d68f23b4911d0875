/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/asker.h"

#include "base/str.h"
#include "core/decide.h"
#include "core/loaded.h"
#include "sys/asked.h"
#include "sys/booted.h"
#include "sys/record.h"

#define COMMAND "vsmtp-plugind"

void asker_forget(const struct root *root)
{
	(void)!record_write_asked(root, NULL);
}

/* Filed, and not written down as that: the daemon was killed in between. */
static int is_asked(const struct root *root, const char *set)
{
	_cleanup_(requests_done) struct requests all = {0};
	int r = asked_read(root, &all);

	for (size_t i = 0; i < all.n && r == 0; i++)
		r = str_eq(all.items[i].command, COMMAND) && str_eq(all.items[i].set, set);
	return r;
}

int asker_ask(const struct root *root, const struct pass *p, const char **ret_word)
{
	char set[LOADED_FINGERPRINT_SIZE], none[] = "";
	const struct request q = {.unit = none, .replaces = none, .set = set};
	_cleanup_free_ char *text = NULL, *last = NULL;
	int r;

	if (!root_is_host(root))
		return 0;
	if (!booted(root)) {
		*ret_word = "no service manager to ask for a reload";
		return 0;
	}
	r = record_read_asked(root, &last);
	if (r < 0)
		return r;
	/* When that is over, it is to be asked about whatever it will be then. */
	if (decide_refusal(&p->config, &p->seen, &p->plan) != DECIDE_WHY_NOTHING_OWED)
		return last ? record_write_asked(root, NULL) : 0;
	r = loaded_set_make(&p->seen, &text);
	if (r < 0)
		return r;
	loaded_fingerprint(text, set);
	if (str_eq(set, last))
		return 0;
	r = is_asked(root, set);
	if (r == 0)
		r = asked_ask(root, &q, NULL);
	if (r >= 0)
		r = record_write_asked(root, set);
	if (r >= 0)
		*ret_word = "asked whether a reload is owed";
	return MIN(r, 0);
}
