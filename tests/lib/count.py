#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts results: `count.py FILE...` prints `PASSED FAILED SKIPPED` and, on stderr, what failed or was
skipped. Files: JUnit XML (*.xml) or TAP (anything else). A file that cannot be read is a failure."""

import re
import sys
import xml.etree.ElementTree as ET


def junit(path):
    for case in ET.parse(path).getroot().iter("testcase"):
        name = "::".join(x for x in (case.get("classname"), case.get("name")) if x)
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            yield "failed", name, ""
        elif skipped is not None:
            yield "skipped", name, skipped.get("message") or ""
        else:
            yield "passed", name, ""


def tap(path):
    plan, seen = None, 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if found := re.match(r"1\.\.(\d+)", line):
                plan = int(found[1])
            found = re.match(r"(not )?ok\b\s*\d*\s*-?\s*([^#\n]*)(?:#\s*SKIP\s*(.*))?", line)
            if found:
                seen += 1
                state = "failed" if found[1] else "skipped" if found[3] is not None else "passed"
                yield state, found[2].strip(), found[3] or ""
    if plan is None or plan != seen:
        yield "failed", f"{path}: {seen} results of {plan}", ""


def main():
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sys.argv[1:]:
        try:
            results = list(junit(path) if path.endswith(".xml") else tap(path))
        except (OSError, ET.ParseError) as error:
            results = [("failed", f"{path}: {error}", "")]
        if not results:
            results = [("failed", f"{path}: holds no result", "")]
        for state, name, why in results:
            count[state] += 1
            if state != "passed":
                print(f"    {state.upper()}: {name}{': ' + why if why else ''}", file=sys.stderr)
    print(count["passed"], count["failed"], count["skipped"])


if __name__ == "__main__":
    main()
