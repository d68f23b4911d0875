# SPDX-License-Identifier: LGPL-2.1-or-later
"""A booted container for each test. Where none can be booted, all are skipped, and the reason is told;
with KIT_CONTAINERS=must that is a failure."""

import contextlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import harness  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    box = getattr(item, "kit_box", None)
    if report.failed and box and call.when != "teardown":
        harness.tell_of_failure(report, box)


@pytest.fixture(scope="session")
def image():
    with contextlib.closing(harness.boot_or_skip(harness.Image)) as made:
        yield made


@pytest.fixture
def bare_box(image, request):
    """A container as it has booted: whatever the units are doing."""
    with harness.Container(image) as box:
        request.node.kit_box = box
        yield box


@pytest.fixture
def box(bare_box):
    """A container in which the daemon and the stand-in vSMTP run, and all is at peace: one start."""
    bare_box.wait_daemon()
    bare_box.wait_starts(1)
    return bare_box
