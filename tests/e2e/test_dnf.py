# SPDX-License-Identifier: LGPL-2.1-or-later
"""dnf does it all: one transaction, the links right, vSMTP running with them after one start.

rpm starts nothing: the first start of a fresh vSMTP is the administrator's."""

import os

import harness
import pytest

import dnf_machine
from debs import link_name, links
from machine import loaded

A, B = link_name("a"), link_name("b")
ALL = ["vsmtp", "vsmtp-plugin-a", "vsmtp-plugin-b", "vsmtp-plugind"]
FIRST = links("1.0.0")
SECOND = links("1.1.0")
PLAN = "what will be done in the links directory"


@pytest.fixture
def running(dnf_running):
    return dnf_running


def test_a_fresh_install_of_all_makes_links_and_starts_nothing(bare):
    out = bare.install(*ALL).out
    assert PLAN in out
    assert bare.links() == FIRST
    assert bare.starts() == []
    assert bare.run("systemctl", "is-enabled", harness.DAEMON).out.strip() == "enabled"
    bare.sh("systemctl start vsmtp")
    assert loaded(bare.wait_starts(1)[0]) == {A: "ok", B: "ok"}
    bare.in_order()


@pytest.mark.parametrize("order", [[0, 1, 3], [0, 3, 1], [3, 0, 1]])
def test_every_order_of_installing_ends_the_same(bare, order):
    for i in order:
        bare.install(ALL[i])
        if i == 0:
            bare.sh("systemctl start vsmtp")
    bare.wait_peace()
    assert bare.links() == {A: FIRST[A]}
    assert bare.mapped() == {"libvsmtp-plugin-a-1.0.0.so"}
    assert len(bare.starts()) <= 2
    bare.in_order()


def test_the_kit_leaves_links_made_by_hand_as_they_are(bare):
    bare.install("vsmtp", "vsmtp-plugin-a")
    bare.sh("mkdir -p /etc/vsmtp/plugins; cd /etc/vsmtp/plugins;"
            f"ln -s {FIRST[A]} own-name.so; ln -s /usr/lib/vsmtp/libvsmtp-plugin-old-0.9.0.so old.so;"
            "systemctl start vsmtp")
    bare.wait_starts(1)
    out = bare.install("vsmtp-plugind").out
    shown, done = out.split(PLAN, 1)[1].split("removed", 1)
    assert "old.so" in shown and "old.so" in done, "first shown, then done"
    bare.wait_peace()
    assert bare.links() == {"own-name.so": FIRST[A]}
    bare.in_order()


def test_right_links_made_by_hand_cost_no_restart(bare):
    bare.install("vsmtp", "vsmtp-plugin-a")
    bare.sh(f"mkdir -p /etc/vsmtp/plugins; ln -s {FIRST[A]} /etc/vsmtp/plugins/own-name.so;"
            "systemctl start vsmtp")
    bare.wait_starts(1)
    bare.install("vsmtp-plugind")
    bare.wait_starts(1)
    assert bare.links() == {"own-name.so": FIRST[A]}


@pytest.mark.parametrize("daemon", [True, False])
@pytest.mark.parametrize("version", ["1.1.0", "2.0.1-rc.1"])
def test_an_upgrade_of_all_is_one_start_with_right_links(running, version, daemon):
    running.install("vsmtp-plugin-b")
    running.wait_starts(2)
    if not daemon:
        running.sh("systemctl stop vsmtp-plugind")
    running.release(version)
    running.upgrade()
    assert running.links() == links(version)
    starts = running.wait_starts(3)
    assert starts[2]["version"] == version
    assert starts[2]["loaded"] == {name: (target, "ok") for name, target in links(version).items()}
    running.in_order()


def test_an_upgrade_together_with_the_kit_is_one_start(running):
    """All packages are put in again at once: systemd's trigger, the kit's and its own scripts."""
    daemon = running.show(harness.DAEMON, "MainPID")
    running.release("1.1.0")
    running.sh("cd /srv/rpms; rpm -U --force vsmtp-plugind-*.rpm vsmtp-1*.rpm vsmtp-plugin-a-*.rpm")
    starts = running.wait_starts(2)
    assert starts[1]["version"] == "1.1.0" and starts[1]["loaded"] == {A: (SECOND[A], "ok")}
    assert running.show(harness.DAEMON, "MainPID") not in (daemon, "0"), "the new daemon runs"
    running.in_order()


def test_a_first_installation_together_with_an_upgrade_is_one_start(bare):
    bare.install("vsmtp", "vsmtp-plugin-a")
    bare.sh("systemctl start vsmtp")
    bare.wait_starts(1)
    bare.release("1.1.0")
    out = bare.sh("cd /srv/rpms; rpm -U vsmtp-plugind-*.rpm vsmtp-1*.rpm vsmtp-plugin-a-*.rpm").out
    assert PLAN in out
    starts = bare.wait_starts(2)
    assert starts[1]["version"] == "1.1.0" and starts[1]["loaded"] == {A: (SECOND[A], "ok")}
    bare.in_order()


@pytest.mark.parametrize("release", ["careless", "merged"])
def test_a_vsmtp_whose_package_restarts_nothing_is_restarted_once(bare, release):
    """By the trigger on the program's path alone: no daemon runs, and no plugin is in the transaction."""
    if release == "merged":
        bare.sh("cp -an /usr/sbin/. /usr/bin/; mv /usr/sbin /usr/sbin.old; ln -s bin /usr/sbin")
    bare.release(release)
    bare.install("vsmtp-1.0.0", "vsmtp-plugin-a-1.0.0", "vsmtp-plugind")
    bare.sh("systemctl start vsmtp")
    bare.wait_starts(1)
    assert bare.links() == {A: FIRST[A]}
    bare.sh("rpm -U --nodeps /srv/rpms/vsmtp-1.1.0*.rpm")
    starts = bare.wait_starts(2)
    assert starts[1]["version"] == "1.1.0" and loaded(starts[1]) == {}
    bare.sh("rpm -U /srv/rpms/vsmtp-plugin-a-1.1.0*.rpm")
    assert bare.links() == {A: SECOND[A]}
    assert loaded(bare.wait_starts(3)[2]) == {A: "ok"}
    bare.in_order()


def test_a_vsmtp_that_is_restarted_within_the_transaction_is_started_once(bare):
    bare.release("impatient")
    bare.install("vsmtp-1.0.0", "vsmtp-plugin-a-1.0.0", "vsmtp-plugind")
    bare.sh("systemctl start vsmtp")
    bare.wait_starts(1)
    bare.upgrade()
    starts = bare.wait_starts(2)
    assert starts[1]["version"] == "1.1.0" and starts[1]["loaded"] == {A: (SECOND[A], "ok")}
    bare.in_order()


def test_triggers_have_one_prefix_each(bare):
    out = bare.sh("rpm -qp --filetriggers /srv/rpms/vsmtp-plugind-[0-9]*.rpm").out
    kinds = [line.split() for line in out.splitlines() if " scriptlet (" in line]
    assert sorted((words[0], words[-1]) for words in kinds) == [
        ("transfiletriggerin", "/usr/lib/vsmtp"),
        ("transfiletriggerin", "/usr/lib64/vsmtp"),
        ("transfiletriggerpostun", "/usr/bin/vsmtp"),
        ("transfiletriggerpostun", "/usr/lib/vsmtp"),
        ("transfiletriggerpostun", "/usr/lib64/vsmtp"),
        ("transfiletriggerpostun", "/usr/sbin/vsmtp"),
    ]
    assert all(words[-2] == "--" for words in kinds)


def test_what_no_trigger_told_of_is_the_daemon_s(running):
    running.sh("rpm -i --notriggers --noscripts /srv/rpms/vsmtp-plugin-b-*.rpm")
    running.wait_starts(2)
    assert running.links() == FIRST
    running.in_order()


def test_a_downgrade_of_all_is_one_start(running):
    running.release("1.1.0")
    running.upgrade()
    running.wait_starts(2)
    running.release("1.0.0")
    running.downgrade("vsmtp", "vsmtp-plugin-a")
    starts = running.wait_starts(3)
    assert starts[2]["version"] == "1.0.0" and starts[2]["loaded"] == {A: (FIRST[A], "ok")}
    running.in_order()


def test_removing_vsmtp_takes_all_links(running):
    running.remove("vsmtp")
    assert set(running.states()) == {"vsmtp-plugind"}
    assert running.links() == {} and not running.is_active("vsmtp")
    running.in_order()


def test_a_reinstallation_restarts_nobody(running):
    out = running.reinstall("vsmtp-plugin-a", "vsmtp-plugind").out
    assert PLAN not in out
    running.wait_starts(1)
    assert running.links() == {A: FIRST[A]}
    running.in_order()


def test_removing_everything_leaves_what_the_readme_says(running):
    running.sh("systemctl stop vsmtp-plugind")
    running.ctl("disable", "nobody")
    running.remove("vsmtp", "vsmtp-plugin-a", "vsmtp-plugind")
    assert running.states() == {}
    assert running.failed_units() == ""
    left = running.sh("find /etc /usr /var/lib -xdev -path '*vsmtp*' ! -path '/var/lib/dnf/*' -type d").out
    assert sorted(left.split()) == [
        "/etc/vsmtp",
        "/etc/vsmtp-plugind",
        "/etc/vsmtp-plugind/plugind.conf.d",
        "/etc/vsmtp/plugins",
        "/etc/vsmtp/services",
        "/var/lib/vsmtp-plugind",
    ]
    assert running.links() == {}, "the kit went last"


def test_dnf_refuses_a_plugin_of_another_version_and_says_why(running):
    running.release("1.1.0")
    running.sh("rm -rf /srv/only; mkdir /srv/only; cp /srv/releases/1.1.0/vsmtp-plugin-b-*.rpm /srv/only")
    done = running.run("dnf", "install", "--disablerepo=kit", "/srv/only/vsmtp-plugin-b-1.1.0-1.rpm", check=False)
    assert done.code != 0
    assert "nothing provides (vsmtp >= 1.1.0 with vsmtp < 1.1.0.0~) needed by vsmtp-plugin-b-1.1.0" in done.err
    running.wait_starts(1)
    assert running.links() == {A: FIRST[A]}
    running.in_order()


def test_a_vsmtp_that_plugins_do_not_fit_is_refused(running):
    running.sh("mkdir /srv/only; cp /srv/releases/1.1.0/vsmtp-1.1.0-1.rpm /srv/only")
    done = running.run("dnf", "install", "--disablerepo=kit", "/srv/only/vsmtp-1.1.0-1.rpm", check=False)
    assert done.code != 0
    assert "vsmtp-plugin-a" in done.out + done.err and "< 1.0.0.0~" in done.out + done.err
    running.wait_starts(1)


@pytest.mark.parametrize("how", ["stop", "mask --now"])
def test_a_stopped_server_is_not_started(running, how):
    running.sh(f"systemctl {how} vsmtp")
    running.install("vsmtp-plugin-b")
    running.release("1.1.0")
    running.upgrade()
    running.wait_starts(1)
    assert running.links() == SECOND and not running.is_active("vsmtp")


def test_an_image_gets_its_links_and_an_old_etc_is_put_right_at_the_start(rpm_root, request):
    """As rpm-ostree does it: composed without a service manager, then the host's own /etc wins."""
    with dnf_machine.composed(rpm_root, rpm_root.layers, "composed") as (inside, layer):
        inside("ln", "-sfn", "/srv/releases/1.1.0", "/srv/rpms")
        out = inside("dnf", "install", *ALL).out
        assert "ended with" not in out
    place = layer / "etc/vsmtp/plugins"
    assert {p.name: os.readlink(p) for p in place.iterdir()} == SECOND
    assert (layer / f"etc/systemd/system/multi-user.target.wants/{harness.DAEMON}").is_symlink()
    for link in place.iterdir():
        link.unlink()
    (place / A).symlink_to(FIRST[A])
    (place / "own-name.so").symlink_to(FIRST[B])
    with dnf_machine.DnfMachine(rpm_root, layers=[layer, *rpm_root.layers]) as box:
        request.node.kit_box = box
        starts = box.wait_starts(1)
        wanted = {A: SECOND[A], "own-name.so": SECOND[B]}
        assert starts[0]["loaded"] == {name: (target, "ok") for name, target in wanted.items()}
        assert box.links() == wanted
        box.in_order()
