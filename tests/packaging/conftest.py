# SPDX-License-Identifier: LGPL-2.1-or-later
"""Paths of modules; a booted Debian in which plugins' packages are built, for each test a new one."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for name in (HERE, HERE.parent / "container", HERE.parent / "e2e"):
    sys.path.insert(0, str(name))

import harness  # noqa: E402
from builder import Builder, BuildRoot  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "rust: needs cargo in its image, which is large; only scripts/test --all runs it")


def build_root(request, *more):
    root = harness.boot_or_skip(BuildRoot, *more)
    request.addfinalizer(root.close)
    return root


@pytest.fixture(scope="session")
def c_root(request):
    return build_root(request)


@pytest.fixture(scope="session")
def rust_root(request):
    return build_root(request, "cargo")


@pytest.fixture
def builder(request):
    """The test's parameter or marker says which languages it needs."""
    root = request.getfixturevalue("rust_root" if request.node.get_closest_marker("rust") else "c_root")
    with Builder(root) as box:
        yield box
