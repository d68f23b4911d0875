/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs every tests/golden/decide/NAME.case: one TAP line each. `test-decide --print FILE` shows the
 * decision that a case gets, to be judged, and put behind its `expect:`. */

#include "golden.h"

#include "base/str.h"
#include "core/decide.h"

#include <dirent.h>

#define NOW (100000 * USEC_PER_SEC)
#define INVOCATION "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"

struct scene {
	struct world world;
	struct plan plan;
	struct unit_facts unit;
	struct requests requests;
	struct starts starts;
	struct decide_facts facts;
	struct buf world_text;
	char *set;
	char fingerprint[LOADED_FINGERPRINT_SIZE];
	char *error;
};

static void scene_done(struct scene *s)
{
	plan_done(&s->plan);
	world_done(&s->world);
	unit_facts_done(&s->unit);
	requests_done(&s->requests);
	buf_done(&s->world_text);
	free(s->set);
	free(s->error);
}

static char *copy(const char *text)
{
	char *made = strdup(text);

	if (!made)
		abort();
	return made;
}

/* So many seconds ago, or "now". */
static uint64_t ago(const char *text)
{
	return NOW - (uint64_t)(strtod(text ? text : "0", NULL) * (double)USEC_PER_SEC);
}

static int find(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; word && i < n; i++)
		if (str_eq(words[i], word))
			return (int)i;
	return -1;
}

static bool read_unit(struct scene *s, char *word)
{
	static const char *const states[UNIT_STATE_MAX] = {
		[UNIT_NO_MANAGER] = "no-manager", [UNIT_MISSING] = "missing",
		[UNIT_INACTIVE] = "inactive",     [UNIT_ACTIVE] = "active",
		[UNIT_CHANGING] = "changing",     [UNIT_UNKNOWN] = "unknown",
	};
	int state = find(states, UNIT_STATE_MAX, word);

	s->unit.state = state < 0 ? UNIT_ACTIVE : (enum unit_state)state;
	return state >= 0;
}

static const struct lock_facts manager = {.path = "/var/lib/dpkg/lock", .pid = 77};

/* request KIND AGE [replaces=now|other] [unit=NAME] [holder=PID] */
static bool read_request(struct scene *s, char *kind, char **save)
{
	static const char *const kinds[] = {"look", "reload", "reload-waits"};
	int k = find(kinds, ELEMENTSOF(kinds), kind);
	struct request q = {.kind = (enum request_kind)MAX(k, 0),
			    .usec = ago(strtok_r(NULL, " ", save)),
			    .unit = copy(""),
			    .replaces = copy(""),
			    .set = copy(""),
			    .name = copy("x"),
			    .command = copy("test")};

	for (char *word; (word = strtok_r(NULL, " ", save));) {
		const char *value = strchr(word, '=') ? strchr(word, '=') + 1 : "";
		char **to = str_after(word, "unit=") ? &q.unit : &q.replaces;

		if (str_after(word, "holder=")) {
			q.holder = atoi(value);
			continue;
		}
		free(*to);
		*to = copy(to == &q.unit ? value : str_eq(value, "now") ? INVOCATION : OTHER);
	}
	s->requests.items = reallocarray(s->requests.items, s->requests.n + 1, sizeof(q));
	if (!s->requests.items)
		abort();
	s->requests.items[s->requests.n++] = q;
	return k >= 0;
}

/* start AGE restart|reload begun|done|canceled|failed now|other [UNIT] */
static bool read_start(struct scene *s, char *age, char **save)
{
	static const char *const kinds[] = {"restart", "reload"};
	static const char *const results[] = {"begun", "done", "canceled", "failed"};
	int kind = find(kinds, 2, strtok_r(NULL, " ", save));
	int result = find(results, ELEMENTSOF(results), strtok_r(NULL, " ", save));
	const char *set = strtok_r(NULL, " ", save), *unit = strtok_r(NULL, " ", save);
	struct start made = {.usec = ago(age),
			     .end_usec = ago(age),
			     .reload = kind == 1,
			     .result = (enum start_result)MAX(result, 0),
			     .replaced = "-"};

	(void)snprintf(made.unit, sizeof(made.unit), "%s", unit ? unit : "vsmtp.service");
	(void)snprintf(made.set, sizeof(made.set), "%s", str_eq(set, "now") ? "now" : "other");
	starts_add(&s->starts, &made);
	return kind >= 0 && result >= 0 && set;
}

static bool read_line(struct scene *s, char *key, char **save)
{
	char *word = strtok_r(NULL, " ", save);

	if (str_eq(key, "unit"))
		return read_unit(s, word);
	if (str_eq(key, "request"))
		return read_request(s, word, save);
	if (str_eq(key, "start"))
		return read_start(s, word, save);
	if (str_eq(key, "job"))
		s->unit.job = true;
	else if (str_eq(key, "held"))
		s->facts.lock = &manager;
	else if (str_eq(key, "own-reload"))
		s->unit.own_reload = true;
	else if (str_eq(key, "alias"))
		return strv_add(&s->unit.names, word) >= 0;
	else if (str_eq(key, "record"))
		s->unit.record = copy(word);
	else if (str_eq(key, "forbidden"))
		s->unit.forbidden = copy(word);
	else if (str_eq(key, "asked"))
		s->facts.asked_usec = ago(word);
	else if (str_eq(key, "settle")) {
		s->facts.first_usec = ago(word);
		s->facts.last_usec = ago(strtok_r(NULL, " ", save));
	} else if (str_eq(key, "unanswered")) {
		s->facts.unanswered = (unsigned)atoi(word ? word : "0");
		s->facts.unanswered_usec = ago(strtok_r(NULL, " ", save));
	} else
		return false;
	return true;
}

/* Lines about the unit are taken out; all others are the world's. */
static bool read_case(const char *text, struct scene *s)
{
	bool facts = true; /* not behind `expect:` yet */

	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, len), *whole = strndup(text, len);
		char *save = NULL, *key = *line == ' ' ? NULL : strtok_r(line, " ", &save);
		static const char *const ours[] = {"unit",   "job",       "own-reload", "alias",
						   "record", "forbidden", "request",    "start",
						   "settle", "asked",     "unanswered", "held"};

		facts = facts && !str_eq(key, "expect:");
		if (!facts || find(ours, ELEMENTSOF(ours), key) < 0) {
			buf_add(&s->world_text, whole);
			buf_add(&s->world_text, "\n");
		} else if (!read_line(s, key, &save)) {
			s->error = copy(whole);
			return false;
		}
		text += len;
		text += *text == '\n';
	}
	return true;
}

/* "now" and "other" of the text, as what they stand for. */
static void fill_in(struct scene *s)
{
	bool same = !s->unit.record || str_eq(s->unit.record, "same");

	s->unit.name = copy("vsmtp.service");
	s->unit.invocation = copy(INVOCATION);
	s->unit.start_usec = USEC_PER_SEC;
	if (!str_eq(s->unit.record, "none")) {
		s->unit.record_invocation = copy(INVOCATION);
		free(s->unit.record);
		s->unit.record = copy(same ? s->set : "gone.so\t/x\tid\n");
	}
	if (str_eq(s->unit.forbidden, "now")) {
		free(s->unit.forbidden);
		s->unit.forbidden = copy(s->fingerprint);
	}
	for (size_t i = 0; i < s->starts.n; i++)
		if (str_eq(s->starts.items[i].set, "now"))
			memcpy(s->starts.items[i].set, s->fingerprint, sizeof(s->fingerprint));
}

static int decide_text(const char *text, struct scene *s, char **ret)
{
	_cleanup_(decision_done) struct decision d = {0};
	static const char *const owed[OWED_WHY_MAX] = {
		[OWED_NOTHING] = "nothing",     [OWED_NOT_RUNNING] = "not-running",
		[OWED_NOT_KNOWN] = "not-known", [OWED_SET_CHANGED] = "set-changed",
		[OWED_NEWER] = "newer",         [OWED_REQUESTED] = "requested",
	};
	struct buf b = BUF_INIT;

	s->facts.asked_usec = NOW;
	if (!read_case(text, s) || world_parse(s->world_text.data, &s->world) < 0 ||
	    plan_make(&s->world.config, &s->world.snapshot, &s->plan) < 0 ||
	    loaded_set_make(&s->world.snapshot, &s->set) < 0)
		return -EINVAL;
	loaded_fingerprint(s->set, s->fingerprint);
	fill_in(s);
	s->facts.config = &s->world.config;
	s->facts.seen = &s->world.snapshot;
	s->facts.plan = &s->plan;
	s->facts.set = s->set;
	s->facts.unit = &s->unit;
	s->facts.requests = &s->requests;
	s->facts.starts = &s->starts;
	s->facts.now_usec = NOW;
	if (decide(&s->facts, &d) < 0)
		return -ENOMEM;
	buf_printf(&b, "%s %s", decide_what_to_string(d.what), decide_why_to_string(d.why));
	if (d.what == DECIDE_WAIT) {
		char wait[32];

		(void)snprintf(wait, sizeof(wait), " %g",
			       (double)(d.until_usec - NOW) / (double)USEC_PER_SEC);
		buf_add(&b, wait);
	}
	buf_printf(&b, "\nowed %s\n", owed[d.owed.why]);
	return buf_take(&b, ret);
}

static char *read_text(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	if (!f || getdelim(&text, &room, 0, f) < 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool run_case(const char *dir, const char *name, size_t n)
{
	_cleanup_(scene_done) struct scene s = {0};
	_cleanup_free_ char *path = NULL, *text = NULL, *got = NULL;
	bool read, ok;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		abort();
	text = read_text(path);
	read = text && decide_text(text, &s, &got) >= 0;
	ok = read && str_eq(got, s.world.expect);
	printf("%sok %zu - %s\n", ok ? "" : "not ", n, name);
	if (!read)
		printf("# cannot be understood: %s\n", s.error         ? s.error
						       : s.world.error ? s.world.error
								       : "");
	else if (!ok)
		printf("# expected: %s# got: %s", s.world.expect, got);
	return ok;
}

static int is_case(const struct dirent *d)
{
	return str_ends(d->d_name, ".case");
}

static int run_directory(const char *dir)
{
	struct dirent **cases = NULL;
	int n = scandir(dir, &cases, is_case, alphasort);
	bool ok = n > 0;

	printf("1..%d\n", MAX(n, 0));
	for (int i = 0; i < n; i++) {
		ok = run_case(dir, cases[i]->d_name, (size_t)i + 1) && ok;
		free(cases[i]);
	}
	free(cases);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	_cleanup_(scene_done) struct scene s = {0};
	_cleanup_free_ char *text = NULL, *got = NULL;

	if (argc == 2)
		return run_directory(argv[1]);
	text = argc == 3 && str_eq(argv[1], "--print") ? read_text(argv[2]) : NULL;
	if (!text || decide_text(text, &s, &got) < 0) {
		fprintf(stderr, "%s\n",
			s.error         ? s.error
			: s.world.error ? s.world.error
					: "cannot be read");
		return EXIT_FAILURE;
	}
	fputs(got, stdout);
	return EXIT_SUCCESS;
}
