# SPDX-License-Identifier: LGPL-2.1-or-later
"""The user vsmtp, to whom upstream's packages give /etc/vsmtp, against the packaged kit."""

import stat
import time
from pathlib import Path

import pytest

import harness
import kit

SECONDS = 60
PROGRAM = Path(__file__).parents[1] / "component/hostile.py"
OUTSIDE = "/etc /usr /root /boot /srv /opt /home /var/lib /var/spool"
# All that may change: his own directory, and what apt, systemd and the kit keep for themselves.
STATE = r"""
find %s -xdev \( -path /etc/vsmtp -o -path /var/lib/vsmtp-plugind -o -path /var/lib/systemd -o -path /usr/lib/kit-staging \) -prune \
    -o -printf '%%p %%U %%G %%m %%y %%s\n' | sort
find %s -xdev -type f -path '/etc/*' -not -path '/etc/vsmtp/*' -exec sha256sum {} + | sort
""" % (OUTSIDE, OUTSIDE)


@pytest.fixture
def upstream(machine):
    """vSMTP as upstream packages it, the kit, and things that a hole would open."""
    machine.release("upstream-1.0.0")
    machine.install("vsmtp-upstream", "vsmtp-plugind")
    machine.sh("systemctl start vsmtp; install -d -m 0700 /root/secret /etc/vsmtp/private;"
               "install -m 4755 /bin/true /usr/bin/setuid-thing")
    machine.wait_daemon()
    assert machine.run("stat", "-c%U", "/etc/vsmtp").out.strip() == "vsmtp"
    return machine


def test_races_of_the_user_vsmtp_change_nothing_outside(upstream):
    """Creation, take-over, the daemon's start and vSMTP's start hook, each again and again."""
    before = upstream.sh(STATE).out
    upstream.put("/usr/lib/hostile.py", PROGRAM.read_bytes())
    before = upstream.sh(STATE).out
    upstream.sh(
        "systemd-run -q --unit=hostile -p User=vsmtp -p RuntimeMaxSec=120 /usr/bin/python3 /usr/lib/hostile.py"
        " /etc/vsmtp /etc/shadow /usr/bin/setuid-thing /root/secret /root /etc /usr"
    )
    passes, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        upstream.run("vsmtp-pluginctl", "sync", "--no-reload", check=False)
        upstream.run("vsmtp-pluginctl", "sync", "--no-reload", "--start-of=vsmtp.service", check=False)
        if passes % 8 == 0:
            upstream.run("systemctl", "restart", harness.DAEMON, check=False)
            upstream.run("systemctl", "reset-failed", "vsmtp.service", check=False)
            upstream.run("systemctl", "try-restart", "vsmtp.service", check=False)
        passes += 1
    assert upstream.is_active("hostile.service"), upstream.journal("-u", "hostile")
    upstream.sh("systemctl stop hostile")
    assert passes > 50
    assert upstream.sh(STATE).out == before
    private = [line for line in upstream.sh("find /etc/vsmtp -type d -uid 0 -printf '%p %m\n'").out.splitlines()
               if line.endswith(" 700")]
    assert len(private) == 1, private
    # It is over: a hand puts it right, and mail runs on.
    upstream.sh("systemctl stop vsmtp-plugind vsmtp; cd /etc/vsmtp && rm -rf plugins aside services old-*;"
                "systemctl reset-failed; systemctl start vsmtp-plugind vsmtp")
    kit.wait_until(lambda: len(upstream.links()) == 2, what="the links")
    assert upstream.is_active("vsmtp")


def writable_inside(machine):
    """Mounts that the daemon's process may write, but for the kernel's own."""
    pid = int(machine.show(harness.DAEMON, "MainPID"))
    if pid == 0:
        return None
    out = machine.run("nsenter", "-m", "-t", str(pid), "sh", "-c",
                      "for d in /etc /usr /root /var /var/lib /etc/vsmtp / /tmp /run; do"
                      " touch $d/.kit-probe 2>/dev/null && echo $d && rm -f $d/.kit-probe; done", check=False).out
    return out.split()


@pytest.mark.parametrize("to", ["/etc", "/usr", "/root"])
def test_the_sandbox_is_not_opened_by_a_symlink(upstream, to):
    swap = f"cd /etc/vsmtp && mv plugins aside && ln -s {to} plugins"
    as_vsmtp = f"setpriv --reuid=vsmtp --regid=vsmtp --clear-groups sh -c '{swap}'"
    upstream.sh(as_vsmtp)
    done = upstream.run("systemctl", "restart", harness.DAEMON, check=False)
    assert done.code != 0
    assert not writable_inside(upstream)
    # The check before the sandbox was made saw nothing: it was swapped behind that.
    upstream.sh("mkdir -p /run/systemd/system/vsmtp-plugind.service.d; printf '[Service]\nExecStartPre=\n'"
                " >/run/systemd/system/vsmtp-plugind.service.d/late.conf; systemctl daemon-reload")
    done = upstream.run("systemctl", "restart", harness.DAEMON, check=False)
    assert done.code != 0
    assert not writable_inside(upstream)
    kit.wait_until(lambda: f"{to} can be written from this sandbox" in upstream.journal("-u", harness.DAEMON),
                   what="its reason in the journal")
    upstream.sh("rm /etc/vsmtp/plugins && mv /etc/vsmtp/aside /etc/vsmtp/plugins")
    kit.wait_until(lambda: upstream.is_active(harness.DAEMON), what="the daemon")
    assert writable_inside(upstream) == []
    assert stat.S_ISDIR(upstream.path("/etc/vsmtp/plugins").stat().st_mode)


def test_it_is_told_and_ended_by_the_command_that_is_told(upstream):
    """And vSMTP, which is root as upstream's unit starts it, needs nothing more."""
    text = upstream.ctl("status").out
    assert "untrusted-parent" in text and "chown root /etc/vsmtp" in text
    assert "untrusted-parent" in upstream.ctl("plan", check=False).err
    upstream.sh("chown root /etc/vsmtp; systemctl restart vsmtp")
    assert "untrusted" not in upstream.ctl("status").out
    assert len(upstream.starts()[-1]["loaded"]) == 2
    upstream.sh("setpriv --reuid=vsmtp --regid=vsmtp --clear-groups cat /etc/vsmtp/vsmtp.vsl")
    evil = "/etc/vsmtp/plugins/evil.so"
    upstream.put(evil, b"evil")
    upstream.sh(f"chown vsmtp {evil}")
    done = upstream.ctl("sync", check=False)
    assert done.code == 5 and "untrusted-entry" in done.err
    assert "NOT SAFE" in upstream.ctl("status").out.splitlines()[0]
    assert upstream.path(evil).read_bytes() == b"evil"
    # A package's trigger goes on, and so do the units.
    upstream.run("dpkg-trigger", "--no-await", "/usr/lib/vsmtp", check=False)
    upstream.sh("dpkg --configure -a; systemctl start vsmtp-plugin-sync.service; test $(systemctl is-failed"
                " vsmtp-plugin-sync.service) != failed")
    upstream.sh(f"rm {evil}; vsmtp-pluginctl sync")
