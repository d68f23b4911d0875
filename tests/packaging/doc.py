#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/packaging-a-plugin.md shows the sample packages, file by file: a line that links to a file, and
behind it a block with its contents. Run as a program, this writes the blocks anew."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
DOCUMENT = TOP / "docs/packaging-a-plugin.md"
SAMPLES = TOP / "tests/samples"
BLOCK = re.compile(r"(?m)^`[^`\n]+` \(\[source\]\(\.\./tests/samples/([^)\n]+)\)\):?\n\n```(\w*)\n(.*?\n)```\n", re.S)


def blocks(text):
    """[(path below SAMPLES, what the document shows)]"""
    return [(found[1], found[3]) for found in BLOCK.finditer(text)]


def render(text):
    def anew(found):
        head, _, _ = found[0].partition("```")
        return f"{head}```{found[2]}\n{(SAMPLES / found[1]).read_text()}```\n"

    return BLOCK.sub(anew, text)


if __name__ == "__main__":
    DOCUMENT.write_text(render(DOCUMENT.read_text()))
