# SPDX-License-Identifier: LGPL-2.1-or-later
"""A booted Debian for each test, with an apt repository in it and nothing of ours installed yet.

The suite is the host's own; KIT_SUITE names another. What the tests put in is built on the host, so
that must not be the newer one."""

import contextlib
import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "container"))

import debs  # noqa: E402
import dnf_machine  # noqa: E402
import harness  # noqa: E402
import standins  # noqa: E402
from machine import Machine  # noqa: E402

APT = """\
APT::Get::Assume-Yes "true";
APT::Install-Recommends "false";
Dpkg::Use-Pty "false";
Acquire::Languages "none";
"""
APART = ("needrestart", "unattended-upgrades")


class Debian:
    """The image as mmdebstrap made it, and a layer with the releases."""

    def __init__(self, image):
        self.fast = image.fast
        self.layer = image.work / "apt"
        self.releases = self.layer / "srv/releases"
        self.releases.mkdir(parents=True)
        debs.all_releases(self.releases)
        self._write("etc/apt/sources.list", "deb [trusted=yes] file:/srv/repo ./\n")
        self._write("etc/apt/apt.conf.d/90kit", APT)
        self._write("etc/dpkg/dpkg.cfg.d/kit", "status-logger=/usr/sbin/kit-mark dpkg\n")
        self._write("usr/sbin/kit-mark", standins.MARK, 0o755)
        self._readable()
        self.layers = [self.layer, image.base]

    def _write(self, name, text, mode=0o644):
        path = self.layer / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def _readable(self):
        for path in self.layer.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)

    def release_with_fillers(self, version):
        """Made for those that ask for it: two hundred packages take a while."""
        directory = self.releases / f"many-{debs.package_form(version)}"
        if not directory.exists():
            shutil.copytree(self.releases / debs.package_form(version), directory)
            debs.fillers(directory, version)
            debs.index(directory)
            self._readable()
        return directory.name


def pytest_configure(config):
    config.addinivalue_line("markers", "tenfold: the same ten times over, and what else takes long")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    box = getattr(item, "kit_box", None)
    if report.failed and box and box.leader and call.when == "call":
        report.sections.append(("journal", box.journal("-b", "-u", "vsmtp*")[-12000:]))
        report.sections.append(("starts", "\n".join(map(str, box.starts()))[-3000:]))
        report.sections.append(("transaction", str(box.recorded)[-20000:]))
        report.sections.append(("links", str(box.links())[:3000]))


def image(**recipe):
    try:
        return harness.Image(install=False, options=harness.recipe(**recipe))
    except harness.CannotBoot as why:
        if os.environ.get("KIT_CONTAINERS") == "must":
            pytest.fail(f"no container can be booted here: {why}")
        pytest.skip(f"NO CONTAINER CAN BE BOOTED HERE: {why}")


@pytest.fixture(scope="session")
def debian():
    with contextlib.closing(image(more=("inotify-tools",), apart=APART)) as found:
        yield Debian(found)


@pytest.fixture(scope="session")
def rpm_root():
    """A Debian with rpm and dnf."""
    with contextlib.closing(image(more=(*dnf_machine.MORE, "inotify-tools"))) as found:
        yield dnf_machine.Root(found)


@pytest.fixture
def bare(rpm_root, request):
    """Nothing of vSMTP yet; dnf offers release 1.0.0."""
    with dnf_machine.DnfMachine(rpm_root) as box:
        request.node.kit_box = box
        box.release("1.0.0")
        yield box


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
    machine.put_own()
    machine.install("vsmtp", "vsmtp-plugin-a", "vsmtp-plugind")
    machine.wait_starts(1)
    machine.in_order()
    return machine


@pytest.fixture
def full(machine):
    """The same with all three plugins."""
    machine.put_own()
    machine.install("vsmtp", "vsmtp-plugin-a", "vsmtp-plugin-b", "vsmtp-plugin-c", "vsmtp-plugind")
    machine.wait_starts(1)
    machine.in_order()
    return machine
