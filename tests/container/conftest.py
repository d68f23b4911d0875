# SPDX-License-Identifier: LGPL-2.1-or-later
"""A booted container for each test. Where none can be booted, all are skipped, and the reason is told;
with KIT_CONTAINERS=must that is a failure."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import harness  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: changes what belongs to the whole machine")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What the container has to say about a failure, while it is still there."""
    outcome = yield
    report = outcome.get_result()
    box = getattr(item, "kit_box", None)
    if report.failed and box and call.when != "teardown":
        report.sections.append(("journal", box.journal("-b", "-u", "vsmtp*")[-12000:]))
        report.sections.append(("starts", "\n".join(map(str, box.starts()))[-3000:]))
        report.sections.append(("links", str(box.links())[:3000]))


_cannot = None


@pytest.fixture(scope="session")
def image():
    global _cannot
    if _cannot is None:
        try:
            made = harness.Image()
        except harness.CannotBoot as why:
            _cannot = str(why)
        else:
            yield made
            made.close()
            return
    if os.environ.get("KIT_CONTAINERS") == "must":
        pytest.fail(f"no container can be booted here: {_cannot}")
    pytest.skip(f"NO CONTAINER CAN BE BOOTED HERE: {_cannot}")


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
