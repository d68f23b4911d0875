# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of all Python tests."""

import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
sys.dont_write_bytecode = True

import kit  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes many seconds; scripts/test --quick leaves it out")
    config.addinivalue_line("markers", "alone: changes what belongs to the whole machine")


@pytest.fixture
def tree(tmp_path):
    """A scratch root with vSMTP 1.0.0, an empty store and an empty links directory."""
    return kit.Tree(tmp_path / "root")


@pytest.fixture
def open_tree():
    """The same where an ordinary user may go, too: pytest's own directories are closed to others."""
    with tempfile.TemporaryDirectory(prefix="kit-open-") as path:
        Path(path).chmod(0o755)
        yield kit.Tree(Path(path) / "root")
