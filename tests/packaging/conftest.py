# SPDX-License-Identifier: LGPL-2.1-or-later
"""Paths of modules."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
for name in (HERE, HERE.parent / "container", HERE.parent / "e2e"):
    sys.path.insert(0, str(name))


def pytest_configure(config):
    config.addinivalue_line("markers", "rust: needs cargo in its image, which is large; scripts/test --all runs it")
