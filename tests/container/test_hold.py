# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule 17 with the real dpkg, and in the sandbox: without a capability, with /proc hidden, on read-only
mounts."""

import harness
import kit

FRONTEND = "/var/lib/dpkg/lock-frontend"
CONTROL = """\
Package: plugin-mysql
Version: 1
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: a plugin
"""
POSTINST = """\
#!/bin/sh
touch /run/held
while [ -e /run/held ]; do sleep 0.05; done
"""


def install(box):
    """Starts dpkg, which stops in the package's script until /run/held is removed."""
    box.run("mkdir", "-p", "/root/p/DEBIAN", "/root/p/usr/lib/vsmtp")
    box.put("/root/p/DEBIAN/control", CONTROL, 0o644)
    box.put("/root/p/DEBIAN/postinst", POSTINST)
    box.put("/root/p/usr/lib/vsmtp/libvsmtp-plugin-mysql-1.0.0.so", kit.plugin_bytes(built_for="1.0.0"))
    box.run("dpkg-deb", "-b", "/root/p", "/root/p.deb")
    box.run("systemd-run", "-q", "--unit=install", "dpkg", "-i", "/root/p.deb")
    kit.wait_until(lambda: box.path("/run/held").exists(), what="the package's script")


def test_rule_17_the_sandboxed_daemon_waits_for_a_package_manager(box):
    install(box)
    kit.wait_until(
        lambda: f"holds {FRONTEND}" in box.show(harness.DAEMON, "StatusText"),
        what="the state line",
    )
    assert box.links() == {}
    lock = box.ctl_json("status")["package-lock"]
    assert lock["path"] == FRONTEND and lock["command"] == "dpkg" and lock["waiting-since"] > 0
    # The start hook does not wait, and what it made stays.
    box.run("systemctl", "restart", "vsmtp")
    box.wait_links(["mysql"])
    box.wait_starts(2)
    box.plugin("csv")
    box.run("systemctl", "restart", harness.DAEMON)  # its own start waits likewise, and is over soon
    assert set(box.links()) == {"vsmtp-plugin-mysql.so"}
    box.plugin("late")
    box.path("/run/held").unlink()
    box.wait_links(["csv", "late", "mysql"])
    box.wait_starts(3)
    box.wait_peace()
    assert len(box.starts()) == 3
    assert box.is_active("vsmtp")
    assert "Status: install ok installed" in box.run("dpkg", "-s", "plugin-mysql").out
