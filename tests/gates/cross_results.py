# SPDX-License-Identifier: LGPL-2.1-or-later
"""Judges what meson's tests gave under qemu's user mode; prints lines of TAP, without the plan.

    python3 tests/gates/cross_results.py BUILD-HERE BUILD-THERE no-openat2|openat2

Every test of the build here has to have run there, whole. A case that fails there and is named below
is skipped, with the reason; a case that passes there has passed, named or not.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

OPENAT2 = "this qemu has no openat2(2), by which every file below a root is opened"
# Whole tests, if openat2(2) is missing there.
WITHOUT_OPENAT2 = {"conf", "memory", "server"}
NO_SPAWN_ERROR = "qemu makes vfork(2) a fork, and posix_spawn(3) then tells no error"
CANNOT = {
    "test_a_program_that_cannot_be_run": NO_SPAWN_ERROR,
    "test_rule_05_bad_answers_are_doubts": NO_SPAWN_ERROR,
    "test_signals_are_the_defaults_in_the_child": "qemu keeps signals of its own ignored in what it starts",
}


def cases(text):
    """(planned, [(state, name)]) of one test's TAP."""
    planned, found = None, []
    for line in text.splitlines():
        if plan := re.match(r"1\.\.(\d+)$", line):
            planned = int(plan[1])
        elif case := re.match(r"(not )?ok \d+(?: -)? (# SKIP )?(\S+)", line):
            found.append(("failed" if case[1] else "skipped" if case[2] else "passed", case[3]))
    return planned, found


def judge(name, test, openat2):
    """Lines about one test; whatever is not understood has not passed."""
    planned, found = cases(test.get("stdout") or "")
    bad = [(state, case) for state, case in found if state != "passed"]
    good = len(found) - len(bad)
    if not found:  # no TAP: the exit code is all there is
        return [f"{'ok' if test['result'] == 'OK' else 'not ok'} - arm64: {name}"]
    if planned != len(found) or (test["result"] != "OK" and not bad):
        return [f"not ok - arm64: {name}: {test['result']}, {len(found)} of {planned} cases"]
    lines = [f"ok - arm64: {name}, {good} cases"] if good else []
    for _, case in bad:
        reason = OPENAT2 if name in WITHOUT_OPENAT2 and not openat2 else CANNOT.get(case)
        lines.append(f"ok - arm64: {name} {case} # SKIP {reason}" if reason else f"not ok - arm64: {name} {case}")
    return lines


def main():
    here, there, openat2 = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "openat2"
    listed = subprocess.run(["meson", "introspect", here, "--tests"], check=True, capture_output=True).stdout
    done = {}
    for line in (there / "meson-logs/testlog.json").read_text().splitlines():
        test = json.loads(line)
        done[test["name"].rpartition(" / ")[2]] = test
    for name in [test["name"] for test in json.loads(listed)]:
        lines = judge(name, done[name], openat2) if name in done else [f"not ok - arm64: {name} was not run"]
        print("\n".join(lines))


if __name__ == "__main__":
    main()
