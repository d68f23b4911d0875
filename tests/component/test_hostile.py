# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules 12 and 14 where somebody else than root owns the directory above the links directory, as
vSMTP's own packages have it: nothing outside changes, whatever he does, and what remains is told."""

import glob
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import kit
import world
from world import file_of, link_of, right_links

NOBODY = 65534
TOP = "etc/vsmtp"
needs_strace = pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")


@pytest.fixture
def owned(tree):
    """/etc/vsmtp is somebody else's; one plugin."""
    tree.plugin("mysql")
    os.chown(tree / TOP, NOBODY, NOBODY)
    return tree


def status(tree):
    return tree.ctl("status", "--json", expect=0).json


def findings(tree):
    return [(f["code"], f["link"]) for f in status(tree)["findings"]]


# ---- what is made is held ----


def hole(tree):
    """A file that a change of mode through a symlink would open."""
    return tree.put("/etc/shadow", b"secret", 0o640)


def while_delayed(tree, call, swap):
    """A pass that is held up behind each of that system call, while swap() is tried until it has done
    its work."""
    argv = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e",
            f"inject={call}:delay_exit=400000", *world.ctl_argv(tree, "sync")]
    process = subprocess.Popen(argv, env=kit.under_strace(argv, kit.environment()), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 20
        while not swap() and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.001)
    finally:
        out = process.communicate(timeout=60)[0].decode()
    return process.returncode, out


def _inode(path):
    try:
        return path.stat().st_ino
    except OSError:
        return None


@needs_strace
@pytest.mark.parametrize("to", ["shadow", "directory"])
def test_rule_14_a_symlink_in_the_place_of_what_was_made_is_not_followed(owned, to):
    shadow = hole(owned)
    secret = owned.mkdir("/root/secret")
    secret.chmod(0o700)
    links = owned.links_dir
    links.rmdir()

    def swap():
        if not links.is_dir() or links.is_symlink():
            return False
        links.rename(links.with_name("aside"))
        links.symlink_to("../shadow" if to == "shadow" else "../../root/secret")
        return True

    code, out = while_delayed(owned, "mkdirat", swap)
    assert links.is_symlink(), out  # the swap was in time
    assert stat.S_IMODE(shadow.stat().st_mode) == 0o640
    assert stat.S_IMODE(secret.stat().st_mode) == 0o700
    assert os.listdir(secret) == []
    assert code == 1 and kit.LINKS in out, (code, out)


@needs_strace
def test_rule_12_another_directory_of_roots_is_not_taken_over(owned):
    """It is taken over only if it is the one that was looked at."""
    private = owned.mkdir(f"/{TOP}/private")
    private.chmod(0o700)
    links = owned.links_dir
    os.chown(links, NOBODY, NOBODY)
    inode = links.stat().st_ino

    def swap():
        # Behind the look at its owner the directory is listed, and held as long as that is delayed;
        # what is seen only once was a glance before it.
        for _ in range(2):
            if not any(_inode(Path(fd)) == inode for fd in glob.glob("/proc/[0-9]*/fd/*")):
                return False
            time.sleep(0.05)
        links.rename(links.with_name("aside"))
        private.rename(links)
        return True

    code, out = while_delayed(owned, "getdents64", swap)
    assert links.stat().st_ino != inode, out
    st = links.stat()
    assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (0, 0o700), out
    assert os.listdir(links) == []
    assert code == 1 and "in its place" in out, (code, out)


def snapshot(tree):
    """Owner, mode and content of all outside /etc/vsmtp and the kit's own directories."""
    found = {}
    for where, dirs, files in os.walk(tree.path):
        inside = "/" + os.path.relpath(where, tree.path)
        dirs[:] = [d for d in dirs
                   if os.path.join(inside, d) not in ("/etc/vsmtp", "/run/vsmtp-plugind", "/var/lib/vsmtp-plugind")]
        for name in [*dirs, *files]:
            path = os.path.join(where, name)
            st = os.lstat(path)
            data = Path(path).read_bytes() if stat.S_ISREG(st.st_mode) else b""
            found[path] = (st.st_uid, st.st_gid, st.st_mode, data)
    return found


def test_rule_14_races_with_the_owner_change_nothing_outside(owned):
    """The short form of tests/e2e/test_hostile.py."""
    hole(owned)
    owned.put("/usr/bin/passwd", b"setuid", 0o4755)
    owned.mkdir("/root/secret").chmod(0o700)
    owned.mkdir(f"/{TOP}/private").chmod(0o700)
    owned.ctl("sync", expect=0)
    before = snapshot(owned)
    victims = ["../shadow", "../../usr/bin/passwd", "../../root/secret", ".."]  # none of the host
    program = Path(__file__).with_name("hostile.py").read_text()
    attacker = subprocess.Popen(
        [sys.executable, "-c", program, owned / TOP, *victims], user=NOBODY, group=NOBODY, extra_groups=[]
    )
    try:
        for _ in range(60):
            owned.ctl("sync")
    finally:
        attacker.kill()
        attacker.wait()
    assert snapshot(owned) == before
    privates = [p for p in (owned / TOP).iterdir() if p.is_dir() and not p.is_symlink()
                and p.lstat().st_uid == 0 and stat.S_IMODE(p.lstat().st_mode) == 0o700]
    assert len(privates) == 1, "the mode of a directory of root's was changed"
    assert os.listdir(privates[0]) == []


# ---- the way there ----


def test_rule_12_no_way_over_a_symlink_of_others(owned):
    elsewhere = owned.mkdir("/srv/elsewhere/plugins")
    sub = owned / TOP / "sub"
    sub.symlink_to("/srv/elsewhere")
    os.chown(sub, NOBODY, NOBODY, follow_symlinks=False)
    owned.config("[Plugind]\nVersion=1.0.0\nLinks=/etc/vsmtp/sub/plugins\n")
    done = owned.ctl("sync", expect=1)
    assert "symlink" in done.err and "/etc/vsmtp/sub/plugins" in done.err
    assert os.listdir(elsewhere) == []
    elsewhere.rmdir()
    owned.ctl("sync", expect=1)
    assert not elsewhere.exists(), "made over a symlink of others"


def test_rule_12_a_symlink_of_roots_on_the_way_is_fine(tree):
    tree.plugin("mysql")
    tree.mkdir("/srv/mail/plugins")
    (tree / "etc/mail").symlink_to("/srv/mail")
    tree.config("[Plugind]\nVersion=1.0.0\nLinks=/etc/mail/plugins\n")
    tree.ctl("sync", expect=0)
    assert set(os.listdir(tree / "srv/mail/plugins")) == {link_of("mysql")}


# ---- what is told ----


def state_of(path):
    st = path.lstat()
    return st.st_ino, st.st_mode, st.st_uid, st.st_mtime_ns, st.st_ctime_ns


def entry_file(tree):
    path = tree.links_dir / "evil.so"
    path.write_bytes(b"evil")
    os.chown(path, NOBODY, NOBODY)


def entry_writable(tree):
    path = tree.links_dir / "evil.so"
    path.write_bytes(b"evil")
    path.chmod(0o666)


def entry_link(tree):
    tree.put("/home/x/evil.so", b"evil")
    os.chown(tree / "home/x", NOBODY, NOBODY)
    tree.link("evil.so", "/home/x/evil.so")


def entry_relative(tree):
    tree.put("/home/x/evil.so", b"evil", 0o666)
    tree.link("evil.so", "../../../home/x/evil.so")


def entry_dangling(tree):
    tree.mkdir("/home/x")
    os.chown(tree / "home/x", NOBODY, NOBODY)
    tree.link("evil.so", "/home/x/not/yet.so")


@pytest.mark.parametrize("make", [entry_file, entry_writable, entry_link, entry_relative, entry_dangling])
def test_rule_12_an_entry_that_others_control_is_red_and_never_touched(tree, make):
    tree.plugin("mysql")
    make(tree)
    path = tree.links_dir / "evil.so"
    before = state_of(path)
    done = tree.ctl("sync", expect=5)
    assert "untrusted-entry" in done.err and "evil.so" in done.err
    assert state_of(path) == before
    assert tree.links()[link_of("mysql")] == file_of("mysql")
    assert findings(tree) == [("untrusted-entry", "evil.so")]
    assert not status(tree)["in-sync"]
    first = tree.ctl("status", expect=0).out.splitlines()[0]
    assert "NOT SAFE" in first and "evil.so" in first
    # Two ways to end it: to remove it, or to make it root's by the command that is told.
    text = status(tree)["findings"][0]["text"]
    assert f"rm {kit.LINKS}/evil.so" in text
    path.unlink()
    tree.ctl("sync", expect=0)
    assert status(tree)["in-sync"]


def test_rule_12_the_cure_of_an_untrusted_entry_works(tree):
    entry_link(tree)
    tree.ctl("sync", expect=5)
    assert "chown root /home/x;" in status(tree)["findings"][0]["text"]
    os.chown(tree / "home/x", 0, -1)
    tree.ctl("sync", expect=0)


def test_rule_12_entries_of_roots_are_fine(tree):
    """Who owns a symlink in a directory of root's does not matter."""
    tree.put("/opt/own/mine.so", b"mine")
    tree.link("mine.so", "/opt/own/mine.so")
    os.chown(tree.links_dir / "mine.so", NOBODY, NOBODY, follow_symlinks=False)
    tree.link("again.so", "mine.so")
    tree.link("nowhere.so", "/opt/own/nowhere.so")
    (tree.links_dir / "file.so").write_bytes(b"file")
    tree.ctl("sync", expect=0)
    assert findings(tree) == []


def test_rule_12_of_several_exit_codes_the_gravest_is_given(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    (tree / file_of("mysql")).unlink()
    tree.plugin("mysql", "9.9.9")
    entry_file(tree)
    tree.ctl("sync", expect=5)  # and not 4
    (tree.links_dir / "evil.so").unlink()
    tree.plugin("mysql", "9.9.8")
    tree.ctl("sync", expect=4)


def test_rule_12_a_parent_of_others_is_told_with_the_command_that_ends_it(owned):
    owned.ctl("sync", expect=0)
    assert findings(owned) == [("untrusted-parent", kit.LINKS)]
    text = status(owned)["findings"][0]["text"]
    assert text.endswith("cure: chown root /etc/vsmtp"), text
    done = owned.ctl("status", expect=0)
    assert sum("untrusted-parent" in line for line in done.out.splitlines()) == 1
    assert "untrusted-parent" in owned.ctl("plan", expect=0).err
    assert "untrusted-parent" not in owned.ctl("sync", expect=0).err  # not at each pass
    group = (owned / TOP).stat().st_gid
    os.chown(owned / TOP, 0, -1)
    assert findings(owned) == [] and (owned / TOP).stat().st_gid == group


# ---- the configuration ----


@pytest.mark.parametrize("what", ["owner", "mode", "directory", "unreadable"])
def test_rule_09_configuration_that_is_not_known_stops_everything(tree, what):
    tree.plugin("mysql")
    tree.plugin("redis")
    tree.ctl("sync", expect=0)
    before = tree.links()
    drop_in = tree.config("[Plugin redis]\nEnabled=no\n", "plugind.conf.d/50-off.conf")
    if what == "owner":
        os.chown(drop_in, NOBODY, NOBODY)
    elif what == "mode":
        drop_in.chmod(0o664)
    elif what == "directory":
        drop_in.parent.chmod(0o777)
    else:
        os.chown(drop_in, NOBODY, NOBODY)
        drop_in.chmod(0o600)
    tree.plugin("ldap")
    left = tree.links_dir / ".vsmtp-plugind-aaaaaa"
    left.symlink_to(file_of("mysql"))
    before = {**before, left.name: file_of("mysql")}
    for command in (("sync",), ("disable", "mysql"), ("enable", "ldap")):
        done = tree.ctl(*command, expect=1)
        assert "plugind.conf.d" in done.err and "not known" in done.err, done
        assert tree.links() == before
    if what != "unreadable":
        assert "chown root" in done.err or "chmod go-w" in done.err
    first = tree.ctl("status", expect=0).out.splitlines()[0]
    assert "configuration is not known" in first
    with tree.daemon() as daemon:
        world.log_wait(daemon, "configuration is not known")
        assert tree.links() == before
        os.chown(drop_in, 0, 0)
        drop_in.chmod(0o644)
        drop_in.parent.chmod(0o755)
        daemon.wait_links(right_links(["ldap"]))


def test_rule_12_a_program_where_the_daemon_may_write_is_not_asked(tree):
    for where in ("/run/vsmtp-plugind", "/var/lib/vsmtp-plugind", kit.LINKS):
        tree.put(f"{where}/vsmtp", kit.server_program("1.0.0").read_bytes())
        tree.config(f"[Plugind]\nProgram={where}/vsmtp\n")
        done = tree.ctl("sync", expect=1)
        assert "where the daemon may write" in done.err, done
        (tree / where / "vsmtp").unlink()


# ---- waiting for the lock ----


@pytest.mark.slow
def test_rule_15_who_waits_for_the_lock_says_for_whom_and_ends_when_told(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    lock = tree / "run/vsmtp-plugind/lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", "import fcntl,os,sys\n"
         "f=open(sys.argv[1],'r+'); fcntl.flock(f,fcntl.LOCK_EX); f.truncate(0)\n"
         "f.write(str(os.getpid())+'\\n'); f.flush(); print('held',flush=True); sys.stdin.read()", lock],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        with tree.daemon(ready=False) as daemon:
            world.log_wait(daemon, f"(pid {holder.pid})")
            daemon.process.terminate()
            assert daemon.process.wait(10) is not None
        done = tree.ctl("sync", expect=1)  # its limit is 30 s
        assert f"(pid {holder.pid})" in done.err and "nothing was done" in done.err, done
    finally:
        holder.kill()
        holder.wait()
    tree.ctl("sync", expect=0)
