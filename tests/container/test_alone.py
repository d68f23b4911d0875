# SPDX-License-Identifier: LGPL-2.1-or-later
"""What changes a setting of the whole machine: runs alone, and puts it back."""

from pathlib import Path

import harness
import kit
import pytest

pytestmark = pytest.mark.alone
INOTIFY = Path("/proc/sys/fs/inotify")


@pytest.fixture
def setting():
    """setting(name, value), put back at the end."""
    before = {}

    def change(name, value):
        path = INOTIFY / name
        before.setdefault(path, path.read_text())
        path.write_text(f"{value}\n")

    yield change
    for path, text in before.items():
        path.write_text(text)


def test_rule_16_a_queue_that_overflows_loses_nothing(box, setting):
    setting("max_queued_events", 16)
    # A queue's length is fixed when it is made.
    box.run("systemctl", "restart", harness.DAEMON)
    box.wait_daemon()
    names = [f"n{i:04}" for i in range(5000)]
    right = names[::10]
    store = box.path("/usr/lib/vsmtp")
    staged = []
    for i, name in enumerate(names):
        version = "1.0.0" if i % 10 == 0 else "9.9.9"
        data = kit.plugin_bytes(tag=name, built_for=version)
        staged.append((box.stage(name, data), f"libvsmtp-plugin-{name}-{version}.so"))
    for path, file in staged:
        path.rename(store / file)
    box.wait_links(right, limit=120)
    box.wait_peace(limit=180)
    assert len(box.starts()[-1]["loaded"]) == len(right)
    # And it still hears: the overflow did not leave it deaf.
    box.path(f"/usr/lib/vsmtp/libvsmtp-plugin-{right[0]}-1.0.0.so").unlink()
    box.wait_links(right[1:])
    assert box.is_active("vsmtp")


def test_rule_16_without_watches_it_says_so_and_looks_now_and_then(box, setting):
    box.run("systemctl", "stop", harness.DAEMON)
    setting("max_user_watches", 1)
    box.run("systemctl", "start", harness.DAEMON)
    assert "fs.inotify.max_user_watches" in box.journal("-u", harness.DAEMON)
    assert box.is_active(harness.DAEMON)
    box.plugin("mysql")
    box.wait_links(["mysql"], limit=180)
