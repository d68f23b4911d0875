# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the world may hold: odd names, damaged files, odd directories. Each is a clear message or a
gate; nothing foreign is touched; the rest of the plugins is served."""

import os
import random
import re
import shutil
import struct
import subprocess
import threading

import pytest

import kit
import world
from world import file_of, link_of, right_links

DATA = kit.plugin_bytes(built_for="1.0.0")
ODD_NAMES = [
    b"libvsmtp-plugin-" + b"n" * 230 + b"-1.0.0.so",  # 255 bytes
    b"x" * 252 + b".so",
    b"libvsmtp-plugin-new\nline-1.0.0.so",
    b"libvsmtp-plugin-\x1b[31mred-1.0.0.so",
    b"libvsmtp-plugin-\xff\xfe-1.0.0.so",
    b"libvsmtp-plugin-%s%n-1.0.0.so",
    b"libvsmtp-plugin-a b-1.0.0.so",
    b"libvsmtp-plugin-..-1.0.0.so",
    b"libvsmtp-plugin--1.0.0.so",
    b"libvsmtp-plugin-.so",
    b"libvsmtp-plugin-tab\there-1.0.0.so",
    b"\xe2\x80\xaereversed.so",
    b".so",
    b"-.so",
    b"--help.so",
]


def test_names_of_every_kind(tree):
    tree.plugin("mysql")
    store = os.fsencode(tree.store)
    for name in ODD_NAMES:
        with open(os.path.join(store, name), "wb") as f:
            f.write(DATA)
            os.fchmod(f.fileno(), 0o755)
    for name in (b"1.0.0\n", b"\xff", b"1.0.0 "):
        os.mkdir(os.path.join(store, name))
    links = os.fsencode(tree.links_dir)
    for i, name in enumerate(ODD_NAMES[3:]):
        os.symlink(b"/opt/\xff\n" + bytes([65 + i]), os.path.join(links, name + b"-own"))
    before = set(os.listdir(links))
    with tree.daemon() as daemon:
        kit.wait_until(lambda: link_of("mysql") in tree.links())
        world.wait_rest(tree)
        for verb in (["list"], ["plan"], ["status"], ["why", "mysql"], ["list", "--json"]):
            done = tree.ctl(*verb, expect=0)
            assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.out + done.err) is None
            (done.out + done.err).encode()  # no byte that is no UTF-8
        assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", daemon.log) is None
        assert all(line.startswith("vsmtp-plugind: ") for line in daemon.log.splitlines())
    assert before <= set(os.listdir(links))
    for name in ODD_NAMES[3:]:
        assert os.readlink(os.path.join(links, name + b"-own")).startswith(b"/opt/\xff\n")
    for link, text in tree.links().items():
        if text.startswith(kit.STORE):
            assert (tree / text).is_file(), link


@pytest.mark.slow
def test_a_hundred_thousand_files(tree):
    """Settles, with memory in proportion, and still answers at once."""
    count = 100_000
    data = b"no ELF"
    for i in range(0, count, 2):
        with open(tree / f"{kit.STORE}/libvsmtp-plugin-p{i}-0.9.0.so", "wb") as f:
            f.write(data)
        os.link(f.name, f"{f.name}.dpkg-new")  # not a candidate
    tree.plugin("mysql")
    with tree.daemon(ready=False) as daemon:
        daemon.wait_message("READY=1", 60)
        daemon.wait_links(right_links(["mysql"]), 60)
        assert daemon.log.count("\n") < 2000
        tree.plugin("redis")
        daemon.wait_links(right_links(["mysql", "redis"]), 60)
        with open(f"/proc/{daemon.pid}/status") as f:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1])
        print(f"{peak} KiB for {count} entries")
        if not kit.is_sanitized():
            assert peak < 200 * 1024
    shutil.rmtree(tree.store)
    assert tree.ctl("sync").code == 4
    assert tree.links() == {}


# ---- stores ----


@pytest.mark.parametrize("what", ["file", "loop", "dangling", "fifo", "socket-name"])
def test_a_store_that_is_none(tree, what):
    tree.plugin("redis", store="/usr/local/lib/vsmtp")
    tree.config("[Plugind]\nStore=/usr/lib/vsmtp /usr/local/lib/vsmtp\n")
    tree.store.rmdir()
    if what == "file":
        tree.store.write_text("x")
    elif what == "loop":
        tree.store.symlink_to("vsmtp")
    elif what == "dangling":
        tree.store.symlink_to("/no/such")
    else:
        os.mkfifo(tree.store)
    target = "/usr/local/lib/vsmtp/libvsmtp-plugin-redis-1.0.0.so"
    tree.link("stale.so", file_of("stale"))
    done = tree.ctl("sync")
    if what == "loop":  # an error, so it is not known what the store holds
        assert done.code == 1 and "symbolic links" in done.err
        assert tree.links() == {"stale.so": file_of("stale"), link_of("redis"): target}
    else:
        assert done.code == 4
        assert tree.links() == {link_of("redis"): target}


@pytest.mark.parametrize("kind", ["directory", "fifo", "device", "socket", "dangling", "loop"])
def test_an_entry_that_is_no_file(tree, kind):
    tree.plugin("mysql")
    path = tree / file_of("odd")
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)  # opening it for reading would hang
    elif kind == "device":
        os.mknod(path, 0o020755, os.makedev(1, 9))
    elif kind == "socket":
        os.mknod(path, 0o140755)
    else:
        path.symlink_to(path.name if kind == "loop" else "/no/such")
    with tree.daemon() as daemon:
        daemon.wait_links(right_links(["mysql"]))
        world.log_wait(daemon, "not-regular")


# ---- damaged files ----


def test_elf_files_cut_short_anywhere(tree):
    """Each is a file of its own, all in one pass: none that lacks a part is linked."""
    phoff, number = struct.unpack_from("<Q", DATA, 32)[0], struct.unpack_from("<H", DATA, 56)[0]
    ends = []
    for i in range(number):
        offset, _, _, size = struct.unpack_from("<QQQQ", DATA, phoff + i * 56 + 8)
        ends.append(offset + size)
    loadable = max(ends)
    sizes = sorted({*range(0, len(DATA), 64), loadable - 1, loadable, len(DATA) - 1})
    for size in sizes:
        tree.put(file_of(f"cut{size}"), DATA[:size])
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    linked = {int(re.search(r"cut(\d+)", n)[1]) for n in tree.links() if "cut" in n}
    assert all(size >= loadable for size in linked)
    assert link_of("mysql") in tree.links()
    gates = {e["gate"] for e in tree.ctl("list", "--json", expect=0).json["entries"]}
    assert gates <= {"linked", "truncated", "not-elf", "no-entry-point"}


def test_elf_files_with_random_damage(tree):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    for i in range(300):
        data = bytearray(DATA)
        for _ in range(chance.randrange(1, 8)):
            data[chance.randrange(min(len(data), chance.choice([64, 1024, 1 << 20])))] = (
                chance.randrange(256)
            )
        tree.put(file_of(f"p{i}"), bytes(data))
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    assert link_of("mysql") in tree.links()


@pytest.mark.parametrize("how", ["truncated", "replaced"])
def test_a_plugin_that_changes_while_it_is_read(tree, how):
    """A writer who never stops; no crash, no hang, and the end is right."""
    tree.plugin("mysql")
    tree.plugin("other")
    path = tree / file_of("mysql")

    def change(stop):
        chance = random.Random(1)
        while not stop.is_set():
            if how == "truncated":
                os.truncate(path, chance.randrange(len(DATA)))
                with open(path, "r+b") as f:
                    f.write(DATA)
            else:
                tree.put(file_of("mysql"), chance.choice([DATA, DATA[:2000], b"", b"x" * 9000]))

    with tree.daemon() as daemon:
        with world.Background(change):
            for _ in range(40):
                assert tree.ctl("sync").code in (0, 1, 4)
                assert link_of("other") in tree.links()
        tree.put(file_of("mysql"), DATA)
        daemon.wait_links(right_links(["mysql", "other"]))


# ---- the links directory ----


@pytest.mark.parametrize("what", ["file", "fifo", "loop"])
def test_a_links_directory_that_is_none(tree, what):
    tree.plugin("mysql")
    tree.links_dir.rmdir()
    if what == "file":
        tree.links_dir.write_text("mine")
    elif what == "fifo":
        os.mkfifo(tree.links_dir)
    else:
        tree.links_dir.symlink_to("plugins")
    before = os.lstat(tree.links_dir)
    done = tree.ctl("sync", expect=1)
    assert kit.LINKS in done.err
    assert os.lstat(tree.links_dir).st_ino == before.st_ino
    with tree.daemon() as daemon:
        world.log_wait(daemon, kit.LINKS)
        tree.links_dir.unlink()
        daemon.wait_links(right_links(["mysql"]))


@pytest.fixture
def small_links(tree):
    """The links directory on a file system of its own, so small that it is full at once."""
    world.mount("-t", "tmpfs", "-o", "mode=0755,size=16k,nr_inodes=4", "kit", tree.links_dir)
    yield tree
    subprocess.run(["umount", "-l", tree.links_dir], capture_output=True)


def test_a_full_disk(small_links):
    tree = small_links
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        tree.plugin(name)
    done = tree.ctl("sync", expect=1)
    assert "No space left on device" in done.out + done.err
    assert set(tree.links()) < {link_of(n) for n in names} and world.no_temporaries(tree)
    with tree.daemon() as daemon:
        world.log_wait(daemon, "No space left on device")
        world.mount("-o", "remount,nr_inodes=100", tree.links_dir)
        daemon.signal(1)
        daemon.wait_links(right_links(names))


def test_a_flip_on_a_full_disk_breaks_no_link(small_links):
    """The exchange needs one name more; without room the old link stays whole."""
    tree = small_links
    tree.plugin("a")
    tree.plugin("a", "1.1.0")
    tree.ctl("sync", expect=0)
    (tree.links_dir / "mine1").touch()
    (tree.links_dir / "mine2").touch()
    tree.server("1.1.0")
    done = tree.ctl("sync", expect=1)
    assert "No space left on device" in done.out + done.err
    assert tree.links()[link_of("a")] == file_of("a")
    (tree.links_dir / "mine1").unlink()
    tree.ctl("sync", expect=0)
    assert tree.links()[link_of("a")] == file_of("a", "1.1.0") and world.no_temporaries(tree)


def test_a_read_only_links_directory(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    subprocess.run(["mount", "--bind", tree.links_dir, tree.links_dir], check=True)
    try:
        world.mount("-o", "remount,bind,ro", tree.links_dir)
        tree.plugin("redis")
        (tree / file_of("mysql")).unlink()
        done = tree.ctl("sync", expect=1)
        assert (done.out + done.err).count("Read-only file system") >= 2
        assert tree.links() == right_links(["mysql"])
    finally:
        world.umount(tree.links_dir)
    tree.ctl("sync", expect=4)
    assert tree.links() == right_links(["redis"])


def test_a_read_only_links_directory_ends_the_daemon_once(tree):
    """75 asks for a fresh start (a new mount namespace); the second time it stays and says so."""
    tree.plugin("mysql")
    subprocess.run(["mount", "--bind", tree.links_dir, tree.links_dir], check=True)
    try:
        world.mount("-o", "remount,bind,ro", tree.links_dir)
        daemon = tree.daemon(ready=False)
        assert daemon.wait() == 75
        daemon.kill()
        with tree.daemon() as again:
            world.log_wait(again, "Read-only file system")
            tree.plugin("redis")
            world.log_wait(again, "Read-only file system", 2)
            assert again.process.poll() is None
    finally:
        world.umount(tree.links_dir)


# ---- the state directories ----


@pytest.mark.parametrize("what", ["/run/vsmtp-plugind", "/var/lib/vsmtp-plugind"])
def test_a_state_directory_that_is_a_file(tree, what):
    tree.plugin("mysql")
    tree.put(what, "mine")
    done = tree.ctl("sync")
    assert done.code in (0, 1) and "vsmtp-plugind" in done.err, done
    assert (tree / what).read_text() == "mine"


def test_a_damaged_record_of_names(tree):
    tree.plugin("mysql")
    tree.plugin("redis")
    tree.ctl("sync", expect=0)
    record = tree / "var/lib/vsmtp-plugind/names"
    for data in (b"\0" * 100, b"x\ty\tz\n" * 50, b"mysql\tfound\t../../../tmp/x\n", b"\xff\n" * 9, b""):
        record.write_bytes(data)
        tree.ctl("sync", expect=0)
        assert tree.links() == right_links(["mysql", "redis"])


# ---- the configuration ----


MISTAKES = [
    ("Stoer=/x", "Stoer"),
    ("Store=relative", "Store"),
    ("Unversioned=maybe", "Unversioned"),
    ("SettleSec=soon", "SettleSec"),
    ("Version=one", "Version"),
    ("LinkName=a/b", "LinkName"),
    ("LinkName=fixed", "LinkName"),
    ("Action=explode", "Action"),
    ("RequireRootOwned=perhaps", "RequireRootOwned"),
    ("Program=sbin/vsmtp", "Program"),
    ("Links=", None),
    ("what is this", "what is this"),
]


@pytest.mark.parametrize("line, key", MISTAKES)
def test_a_mistake_in_the_configuration_names_file_line_key_and_what_holds(tree, line, key):
    tree.plugin("mysql")
    with tree.daemon() as daemon:
        daemon.wait_links(right_links(["mysql"]))
        tree.config(f"# a comment\n[Plugind]\n{line}\n")
        tree.plugin("redis")
        daemon.wait_links(right_links(["mysql", "redis"]))  # it goes on with what is in force
        if key is not None:
            where = "/etc/vsmtp-plugind/plugind.conf.d/50-test.conf:3"
            world.log_wait(daemon, where)
            said = next(text for text in daemon.log.splitlines() if where in text)
            assert key in said and ("in force is" in said or "ignored" in said)


def test_configuration_files_that_are_none(tree):
    tree.plugin("mysql")
    where = tree / "etc/vsmtp-plugind/plugind.conf.d"
    os.mkfifo(where / "1.conf")
    (where / "2.conf").mkdir()
    (where / "3.conf").symlink_to("/no/such")
    (where / "4.conf").symlink_to("4.conf")
    (where / "5.conf").write_bytes(os.urandom(4096))
    with tree.daemon() as daemon:
        daemon.wait_links(right_links(["mysql"]))
        for number in (1, 2, 3, 4, 5):
            assert f"{number}.conf" in daemon.log, number
        # What is there and cannot be read is another matter: it may say anything.
        huge = tree.config("[Plugin mysql]\nEnabled=no\n" + "#" * (2 << 20), "plugind.conf.d/6.conf")
        world.log_wait(daemon, "6.conf: could not be read: File too large")
        assert tree.links() == right_links(["mysql"])
        huge.unlink()
        tree.plugin("redis")
        daemon.wait_links(right_links(["mysql", "redis"]))


def test_memory_does_not_grow(tree):
    """Hundreds of looks at a changing world."""
    tree.plugin("mysql")
    with tree.daemon() as daemon:

        def rss():
            with open(f"/proc/{daemon.pid}/status") as f:
                return int(re.search(r"VmRSS:\s+(\d+) kB", f.read())[1])

        def churn(turns):
            for i in range(turns):
                tree.config(f"[Plugind]\nLinkName=n{i % 7}-%n\n")
                tree.plugin(f"p{i % 13}")
                daemon.signal(1)
            world.wait_rest(tree)

        churn(200)
        before = rss()
        churn(600)
        assert rss() < before + (65536 if kit.is_sanitized() else 1024)
        assert threading.active_count() > 0
