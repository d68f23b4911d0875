# SPDX-License-Identifier: LGPL-2.1-or-later
"""An image that mmdebstrap makes with all of it inside, where no systemd runs, and its first boot."""

import subprocess

import harness
import pytest

from debs import links
from machine import Machine, seen

PACKAGES = ("systemd", "systemd-sysv", "dbus", "vsmtp", "vsmtp-plugin-a", "vsmtp-plugin-b", "vsmtp-plugind")


@pytest.mark.tenfold
def test_an_image_has_its_links_and_boots_with_them(debian, request):
    tree = debian.layer.parent / "image"
    sources = (debian.layers[-1] / "etc/apt/sources.list").read_text()
    sources += f"deb [trusted=yes] file:{debian.releases}/1.0.0 ./\n"
    subprocess.run(
        ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
        + ["--hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount", harness.suite(), tree, "-"],
        input=sources, text=True, check=True, capture_output=True,
    )  # fmt: skip
    found = {p.name: str(p.readlink()) for p in (tree / "etc/vsmtp/plugins").iterdir()}
    assert found == links("1.0.0")
    wants = tree / "etc/systemd/system/multi-user.target.wants"
    assert {"vsmtp.service", harness.DAEMON} <= {p.name for p in wants.iterdir()}
    assert not (tree / "run/vsmtp-standin.log").exists(), "nothing was started"
    with Machine(debian, layers=[tree]) as box:
        request.node.kit_box = box
        starts = box.wait_starts(1)
        assert seen(starts[0]) == links("1.0.0") == box.links()
        box.wait_daemon()
        box.in_order()
