# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of all Python tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
sys.dont_write_bytecode = True

import kit  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes many seconds; scripts/test --quick leaves it out")


@pytest.fixture
def tree(tmp_path):
    """A scratch root with vSMTP 1.0.0, an empty store and an empty links directory."""
    return kit.Tree(tmp_path / "root")
