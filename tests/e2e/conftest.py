# SPDX-License-Identifier: LGPL-2.1-or-later
"""A booted Debian for each test, with an apt repository in it and nothing of ours installed yet."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "container"))

import debs  # noqa: E402
import harness  # noqa: E402
from machine import Machine  # noqa: E402

APT = """\
APT::Get::Assume-Yes "true";
APT::Install-Recommends "false";
Dpkg::Use-Pty "false";
Acquire::Languages "none";
"""


class Debian:
    """The image as mmdebstrap made it, and a layer with the repository."""

    def __init__(self, image):
        self.fast = image.fast
        self.layer = image.work / "apt"
        releases = self.layer / "srv/releases"
        for version in ("1.0.0", "1.1.0"):
            debs.release(releases / version, version)
        more = releases / "rebuilt"
        more.mkdir()
        debs.plugin(more, "a", "1.0.0", "A", revision=2, tag="another build")
        debs.plugin(more, "b", "1.0.0", "B", revision=2)
        debs.index(more)
        (self.layer / "etc/apt/apt.conf.d").mkdir(parents=True)
        (self.layer / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/srv/repo ./\n")
        (self.layer / "etc/apt/apt.conf.d/90kit").write_text(APT)
        for path in self.layer.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        self.layers = [self.layer, image.base]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    box = getattr(item, "kit_box", None)
    if report.failed and box and box.leader and call.when == "call":
        report.sections.append(("journal", box.journal("-b", "-u", "vsmtp*")[-12000:]))
        report.sections.append(("starts", "\n".join(map(str, box.starts()))[-3000:]))
        report.sections.append(("dpkg", box.run("tail", "-n", "80", "/var/log/dpkg.log", check=False).out))
        report.sections.append(("links", str(box.links())[:3000]))


@pytest.fixture(scope="session")
def debian():
    try:
        image = harness.Image(install=False)
    except harness.CannotBoot as why:
        if os.environ.get("KIT_CONTAINERS") == "must":
            pytest.fail(f"no container can be booted here: {why}")
        pytest.skip(f"NO CONTAINER CAN BE BOOTED HERE: {why}")
    try:
        yield Debian(image)
    finally:
        image.close()


@pytest.fixture
def machine(debian, request):
    """Nothing of vSMTP yet; apt offers release 1.0.0."""
    with Machine(debian, layers=debian.layers) as box:
        request.node.kit_box = box
        box.release("1.0.0")
        yield box


@pytest.fixture
def running(machine):
    """vSMTP, plugin a and the kit are installed and run; all is at peace: one start so far."""
    machine.apt("install", "vsmtp", "vsmtp-plugin-a", "vsmtp-plugind")
    machine.wait_starts(1)
    machine.in_order()
    return machine
