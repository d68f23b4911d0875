# SPDX-License-Identifier: LGPL-2.1-or-later
"""apt does it all: one transaction, the links right, vSMTP running with them after one start."""

import debs
import harness
import kit
import pytest

from debs import link_name, links
from machine import loaded

A, B = link_name("a"), link_name("b")
ALL = ["vsmtp", "vsmtp-plugin-a", "vsmtp-plugin-b", "vsmtp-plugind"]
FIRST = links("1.0.0")


@pytest.fixture
def running(apt_running):
    return apt_running


def test_a_fresh_install_of_all_is_one_start(machine):
    out = machine.install(*ALL).out
    assert "what will be done in the links directory" in out
    starts = machine.wait_starts(1)
    assert machine.links() == FIRST
    assert loaded(starts[0]) == {A: "ok", B: "ok"}
    assert machine.is_active(harness.DAEMON) and machine.is_active("vsmtp")
    assert machine.run("systemctl", "is-enabled", harness.DAEMON).out.strip() == "enabled"
    machine.in_order()


@pytest.mark.parametrize("order", [[0, 1, 3], [0, 3, 1], [3, 0, 1]])
def test_every_order_of_installing_ends_the_same(machine, order):
    for i in order:
        machine.install(ALL[i])
    machine.wait_peace()
    assert machine.links() == {A: FIRST[A]}
    assert machine.mapped() == {"libvsmtp-plugin-a-1.0.0.so"}
    assert len(machine.starts()) <= 2
    machine.in_order()


def test_the_kit_leaves_links_made_by_hand_as_they_are(machine):
    machine.install("vsmtp", "vsmtp-plugin-a")
    machine.wait_starts(1)
    machine.sh("mkdir -p /etc/vsmtp/plugins; cd /etc/vsmtp/plugins; systemctl stop vsmtp;"
               f"ln -s {FIRST[A]} own-name.so; ln -s /usr/lib/vsmtp/libvsmtp-plugin-old-0.9.0.so old.so;"
               "systemctl start vsmtp")
    machine.wait_starts(2)
    out = machine.install("vsmtp-plugind").out
    shown, done = out.split("what will be done in the links directory", 1)[1].split("removed", 1)
    assert "old.so" in shown and "old.so" in done, "first shown, then done"
    machine.wait_peace()
    assert machine.links() == {"own-name.so": FIRST[A]}
    machine.in_order()


def test_right_links_made_by_hand_cost_no_restart(machine):
    machine.install("vsmtp", "vsmtp-plugin-a")
    machine.wait_starts(1)
    machine.sh(f"mkdir -p /etc/vsmtp/plugins; ln -s {FIRST[A]} /etc/vsmtp/plugins/own-name.so;"
               "systemctl restart vsmtp")
    machine.wait_starts(2)
    machine.install("vsmtp-plugind")
    machine.wait_starts(2)
    assert machine.links() == {"own-name.so": FIRST[A]}


def test_a_reinstallation_restarts_nobody(running):
    running.reinstall("vsmtp-plugin-a", "vsmtp-plugind")
    running.wait_starts(1)
    assert running.links() == {A: FIRST[A]}
    running.in_order()


def test_purging_everything_leaves_nothing(machine):
    machine.install(*ALL)
    machine.wait_starts(1)
    machine.ctl("disable", "nobody")
    machine.purge(*ALL)
    assert machine.links() == {}
    left = machine.sh("find /etc /usr /var/lib /run -xdev -path '*vsmtp*' ! -path '/var/lib/dpkg/*' ! -path '/var/lib/apt/*'"
                      " ! -name 'vsmtp-standin.log' 2>/dev/null || :").out
    assert left == ""
    assert machine.states() == {}
    assert machine.failed_units() == ""


def test_purging_sweeps_links_whose_plugins_went_after_the_kit(running):
    running.remove("vsmtp-plugind")
    running.remove("vsmtp-plugin-a")
    running.sh("ln -s /nowhere /etc/vsmtp/plugins/mine.so; ln -s /usr/lib/vsmtp/../x /etc/vsmtp/plugins/odd.so")
    assert A in running.links()
    running.purge("vsmtp-plugind")
    assert set(running.links()) == {"mine.so", "odd.so"}
    assert running.is_active("vsmtp")


def test_a_store_in_the_multiarch_directory_has_its_trigger(running):
    where = f"usr/lib/{kit.run('dpkg-architecture', '-qDEB_HOST_MULTIARCH', expect=0).out.strip()}/vsmtp"
    running.sh("systemctl mask --now vsmtp-plugind")
    running.put("/etc/vsmtp-plugind/plugind.conf", f"[Plugind]\nStore=/usr/lib/vsmtp /{where}\n", 0o644)
    file = f"{where}/libvsmtp-plugin-m-1.0.0.so"
    out = kit.scratch() / "multiarch"
    out.mkdir(exist_ok=True)
    debs.build(out, "vsmtp-plugin-m", "1", {file: (kit.plugin_bytes(tag="m", built_for="1.0.0"), 0o644)})
    deb = next(out.glob("*.deb"))
    running.put("/srv/m.deb", deb.read_bytes(), 0o644)
    running.sh("dpkg -i /srv/m.deb")
    assert running.links() == {A: FIRST[A], "vsmtp-plugin-m.so": f"/{file}"}
    running.wait_starts(2)


def test_a_stopped_server_is_not_started(running):
    running.sh("systemctl stop vsmtp")
    running.install("vsmtp-plugin-b")
    running.wait_starts(1)
    assert running.links() == FIRST and not running.is_active("vsmtp")


def test_a_policy_that_forbids_restarts_is_honoured(running):
    running.put("/usr/sbin/policy-rc.d", "#!/bin/sh\necho \"$@\" >>/run/policy-asked\nexit 101\n")
    out = running.install("vsmtp-plugin-b").out
    assert "policy-rc.d forbids to restart vsmtp.service" in out
    assert "vsmtp.service restart" in running.path("/run/policy-asked").read_text()
    assert running.links() == FIRST
    running.wait_starts(1)
    running.sh("systemctl restart vsmtp-plugind")
    running.wait_starts(1)
    assert "forbidden by a policy" in running.ctl("status").out
    running.ctl("reload")
    running.wait_starts(2)


def test_a_policy_about_another_unit_of_ours_is_honoured_too(running):
    running.put("/etc/vsmtp-plugind/plugind.conf", "[Plugind]\nUnit=vsmtp.service other.service\n", 0o644)
    running.put("/usr/sbin/policy-rc.d", "#!/bin/sh\n[ $1 != other.service ] || exit 101\n")
    out = running.install("vsmtp-plugin-b").out
    assert "policy-rc.d forbids to restart other.service" in out
    assert running.links() == FIRST
    running.wait_starts(1)


def test_an_interrupted_dpkg_is_finished_by_configure(running):
    running.sh("cd /srv/repo && dpkg --unpack vsmtp-plugin-b_*.deb >/dev/null 2>&1 || :")
    running.sh("dpkg --configure -a")
    assert running.links() == FIRST
    running.wait_starts(2)
    running.in_order()


def test_a_chroot_without_systemd_gets_its_links(machine):
    machine.sh("mkdir -p /srv/chroot/dev /srv/chroot/proc; cd /; "
               "tar -c --one-file-system --exclude=./srv/chroot --exclude=./proc --exclude=./sys --exclude=./run --exclude=./dev ."
               " | tar -x -C /srv/chroot; mkdir -p /srv/chroot/run /srv/chroot/sys; mount -t proc proc /srv/chroot/proc;"
               "touch /srv/chroot/dev/null; mount --bind /dev /srv/chroot/dev")
    out = machine.run("chroot", "/srv/chroot", "apt-get", "-q", "install", *ALL).out
    assert "ended with" not in out
    links = {p.name for p in machine.path("/srv/chroot/etc/vsmtp/plugins").iterdir()}
    assert links == set(FIRST)
    assert machine.starts() == [] and machine.links() == {}
    wants = machine.path("/srv/chroot/etc/systemd/system/multi-user.target.wants/vsmtp-plugind.service")
    assert wants.is_symlink()
    machine.run("chroot", "/srv/chroot", "apt-get", "-q", "purge", *ALL)
    machine.sh("umount /srv/chroot/dev /srv/chroot/proc")
