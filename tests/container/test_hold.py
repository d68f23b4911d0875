# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule 17 in the sandbox: without a capability, with /proc hidden, on read-only mounts."""

import harness
import kit

FRONTEND = "/var/lib/dpkg/lock-frontend"
HOLD = f"""
import fcntl, os, time
fd = os.open("{FRONTEND}", os.O_RDWR | os.O_CREAT, 0o640)
fcntl.lockf(fd, fcntl.LOCK_EX)
open("/run/held", "w").close()
while os.path.exists("/run/held"):
    time.sleep(0.05)
"""


def test_rule_17_the_sandboxed_daemon_waits_for_a_package_manager(box):
    box.path("/run/holder.py").write_text(HOLD)
    box.run("systemd-run", "-q", "--unit=holder", "/usr/bin/python3", "/run/holder.py")
    kit.wait_until(lambda: box.path("/run/held").exists(), what="the lock")
    box.plugin("mysql")
    kit.wait_until(
        lambda: "waiting while" in box.show(harness.DAEMON, "StatusText"),
        what="the state line",
    )
    assert FRONTEND in box.show(harness.DAEMON, "StatusText")
    assert box.links() == {}
    lock = box.ctl_json("status")["package-lock"]
    assert lock["path"] == FRONTEND and lock["command"] == "python3" and lock["waiting-since"] > 0
    # The start hook does not wait, and what it made stays.
    box.run("systemctl", "restart", "vsmtp")
    box.wait_links(["mysql"])
    box.wait_starts(2)
    box.plugin("csv")
    box.run("systemctl", "restart", harness.DAEMON)  # its own start is over all the same
    box.plugin("late")
    box.path("/run/held").unlink()
    box.wait_links(["csv", "late", "mysql"])
    box.wait_starts(3)
    box.wait_peace()
    assert len(box.starts()) == 3
    assert box.is_active("vsmtp")
