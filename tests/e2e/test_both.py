# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is the same story by apt and by dnf, told once."""

import harness
import pytest

from debs import link_name, links
from machine import loaded, seen

A, B = link_name("a"), link_name("b")
FIRST = links("1.0.0")
ALL_FIRST = links("1.0.0", "abc")
ALL_SECOND = links("1.1.0", "abc")


@pytest.fixture(params=["apt", "dnf"])
def running(request):
    """vSMTP, plugin a and the kit: one start so far."""
    return request.getfixturevalue(f"{request.param}_running")


@pytest.fixture(params=["apt", "dnf"])
def full(request):
    """The same with all three plugins."""
    return request.getfixturevalue(f"{request.param}_full")


def test_it_returns_with_the_plugin_loaded_after_one_restart(running):
    before = running.show("vsmtp.service", "InvocationID")
    running.install("vsmtp-plugin-b")
    # This is what apt or dnf returns with: vSMTP has been restarted, and loads in the background.
    assert running.links() == FIRST
    assert running.show("vsmtp.service", "InvocationID") != before
    pid = running.show("vsmtp.service", "MainPID")
    starts = running.wait_starts(2)
    assert starts[1]["invocation"] == running.show("vsmtp.service", "InvocationID")
    assert running.show("vsmtp.service", "MainPID") == pid
    assert running.mapped() == {"libvsmtp-plugin-a-1.0.0.so", "libvsmtp_plugin_b.so"}
    assert loaded(starts[1]) == {A: "ok", B: "ok"}
    running.in_order()


def test_another_build_of_a_plugin_is_one_restart_and_the_same_build_none(running):
    running.install("vsmtp-plugin-b")
    running.wait_starts(2)
    running.release("rebuilt")
    running.update("vsmtp-plugin-b")
    running.wait_starts(2)
    running.update("vsmtp-plugin-a")
    running.wait_starts(3)
    assert running.links() == FIRST
    running.in_order()


def test_removing_a_plugin_takes_its_link_and_one_restart(running):
    running.remove("vsmtp-plugin-a")
    assert running.links() == {}
    starts = running.wait_starts(2)
    assert loaded(starts[1]) == {}
    running.in_order()


def test_removal_of_the_kit_leaves_mail_working(running):
    running.sh("systemctl stop vsmtp-plugind; ln -s /usr/lib/vsmtp/libvsmtp-plugin-old-0.9.0.so /etc/vsmtp/plugins/old.so;"
               "ln -s /etc/hostname /etc/vsmtp/plugins/mine.so")
    running.remove("vsmtp-plugind")
    assert running.links() == {A: FIRST[A], "mine.so": "/etc/hostname"}
    running.wait_starts(1)
    running.sh("rm /etc/vsmtp/plugins/mine.so; systemctl restart vsmtp")
    starts = running.wait_starts(2)
    assert loaded(starts[1]) == {A: "ok"}
    running.in_order()


def test_action_none_stops_restarts(running):
    running.put("/etc/vsmtp-plugind/plugind.conf", "[Plugind]\nAction=none\n", 0o644)
    running.install("vsmtp-plugin-b")
    assert running.links() == FIRST
    running.wait_starts(1)
    running.in_order()


def test_what_is_disabled_stays_so_in_an_upgrade(full):
    full.ctl("disable", "b")
    full.wait_starts(2)
    full.release("1.1.0")
    full.upgrade()
    starts = full.wait_starts(3)
    assert seen(starts[2]) == links("1.1.0", "ac") == full.links()
    full.in_order()


def test_a_link_that_a_person_deleted_is_back_and_the_journal_says_how_to_turn_off(full):
    full.sh(f"rm /etc/vsmtp/plugins/{A}")
    full.wait_links_are(ALL_FIRST)
    assert "vsmtp-pluginctl disable a" in full.journal("-u", harness.DAEMON)
    full.release("1.1.0")
    full.upgrade()
    assert full.links() == ALL_SECOND
    full.wait_peace()
    assert loaded(full.starts()[-1]) == {name: "ok" for name in ALL_SECOND}
    full.in_order()
