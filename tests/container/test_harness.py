# SPDX-License-Identifier: LGPL-2.1-or-later
"""The containers themselves: what the other tests rely on."""

import kit


def test_server_starts_as_upstreams_and_is_counted(bare_box):
    bare_box.run("systemctl", "stop", "vsmtp-plugind", "vsmtp")
    before = len(bare_box.starts())
    target = "/usr/lib/vsmtp/libvsmtp-plugin-x-1.0.0.so"
    bare_box.plugin("x")
    # A drop-in that fails must not keep the server down, and a link is loaded at the start.
    bare_box.sh(f"ln -sf {target} /etc/vsmtp/plugins/vsmtp-plugin-x.so")
    bare_box.run("systemctl", "start", "vsmtp")
    kit.wait_until(lambda: len(bare_box.starts()) == before + 1, what="a start")
    start = bare_box.starts()[-1]
    assert start["loaded"]["vsmtp-plugin-x.so"] == (target, "ok")
    assert start["invocation"] == bare_box.show("vsmtp", "InvocationID")
    assert bare_box.show("vsmtp", "MainPID") != "0"


def test_server_dies_of_a_plugin_for_another_version(bare_box):
    bare_box.run("systemctl", "stop", "vsmtp-plugind", "vsmtp")
    bare_box.put("/opt/other.so", kit.plugin_bytes(built_for="1.1.0"))
    bare_box.sh("ln -s /opt/other.so /etc/vsmtp/plugins/other.so")
    bare_box.run("systemctl", "start", "vsmtp", check=False)
    kit.wait_until(
        lambda: bare_box.show("vsmtp", "Result") == "core-dump"
        or bare_box.show("vsmtp", "Result") == "signal"
        or int(bare_box.show("vsmtp", "NRestarts")) > 0,
        what="the crash",
    )
    assert bare_box.starts()[-1]["loaded"]["other.so"][1].startswith("crash")
