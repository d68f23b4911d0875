# SPDX-License-Identifier: LGPL-2.1-or-later
"""A booted Debian for each test, with an apt repository in it and nothing of ours installed yet.

The suite is the host's own; KIT_SUITE names another. What the tests put in is built on the host, so
that must not be the newer one."""

import contextlib
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
from layer import Layer  # noqa: E402
from machine import Machine, seen  # noqa: E402

ALL = ("vsmtp", "vsmtp-plugin-a", "vsmtp-plugin-b", "vsmtp-plugin-c", "vsmtp-plugind")
APART = ("needrestart", "unattended-upgrades")


class Debian(Layer):
    """The image as mmdebstrap made it, and a layer with the releases."""

    def __init__(self, image):
        self.fast = image.fast
        self.layer = image.work / "apt"
        self.releases = self.layer / "srv/releases"
        self.releases.mkdir(parents=True)
        debs.all_releases(self.releases)
        self.set_apt_up()
        self.write("etc/dpkg/dpkg.cfg.d/kit", "status-logger=/usr/sbin/kit-mark dpkg\n")
        self.write("usr/sbin/kit-mark", standins.MARK, 0o755)
        self.open_directories()
        self.layers = [self.layer, image.base]

    def release_with_fillers(self, version):
        """Made for those that ask for it: two hundred packages take a while."""
        directory = self.releases / f"many-{debs.package_form(version)}"
        if not directory.exists():
            shutil.copytree(self.releases / debs.package_form(version), directory)
            debs.fillers(directory, version)
            debs.index(directory)
            self.open_directories()
        return directory.name


def pytest_configure(config):
    config.addinivalue_line("markers", "tenfold: the same ten times over, and what else takes long")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    box = getattr(item, "kit_box", None)
    if report.failed and box and box.leader and call.when == "call":
        harness.tell_of_failure(report, box)
        report.sections.append(("transaction", str(box.recorded)[-20000:]))


def image(**recipe):
    return harness.boot_or_skip(harness.Image, install=False, options=harness.recipe(**recipe))


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
def apt_running(machine):
    """vSMTP, plugin a and the kit are installed and run; all is at peace: one start so far."""
    machine.put_own()
    machine.install("vsmtp", "vsmtp-plugin-a", "vsmtp-plugind")
    machine.wait_starts(1)
    machine.in_order()
    return machine


@pytest.fixture
def apt_full(machine):
    """The same with all three plugins."""
    machine.put_own()
    machine.install(*ALL)
    machine.wait_starts(1)
    machine.in_order()
    return machine


@pytest.fixture
def dnf_running(bare):
    """vSMTP, plugin a and the kit are installed and run; all is at peace: one start so far."""
    bare.install("vsmtp", "vsmtp-plugin-a", "vsmtp-plugind")
    bare.sh("systemctl start vsmtp-plugind vsmtp")
    bare.wait_starts(1)
    bare.in_order()
    return bare


@pytest.fixture(scope="session")
def dnf_layers(rpm_root):
    with rpm_root.layers_with(*ALL, "kit-gate") as found:
        yield found


@pytest.fixture
def dnf_full(rpm_root, dnf_layers, request):
    """vSMTP, its plugins and the kit are installed and run; an administrator's own file is among the
    links; one start so far."""
    with dnf_machine.DnfMachine(rpm_root, layers=dnf_layers) as box:
        request.node.kit_box = box
        box.has_own()
        box.wait_daemon()
        box.wait_count(1)  # tests count all starts in the end
        assert [seen(s) for s in box.starts()] == [debs.links("1.0.0", "abc")]
        box.in_order()
        yield box
