# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules 9, 10, 14: what is not known is not absent; links change atomically; nothing foreign is hurt."""

import os
import random
import subprocess
import time

import pytest

import kit
import world
from world import file_of, link_of, right_links

NOBODY = 65534


# ---- rule 4 ----


def kept(tree):
    """The findings of that kind; status says the same in words, list beside the file."""
    found = [f for f in tree.ctl("status", "--json").json["findings"] if f["code"] == "unversioned-kept"]
    words = tree.ctl("status", expect=0).out
    for f in found:
        assert f["text"] in words
    assert ("unversioned-kept" in words) == bool(found)
    assert ("linked for 1.0.0, kept for" in tree.ctl("list").out) == bool(found)
    return found


def test_rule_04_a_file_without_version_is_named_when_the_server_is_another(tree):
    path = tree.plugin("odd", layout="C")
    tree.plugin("mysql", "1.0.0")
    tree.ctl("sync", expect=0)
    assert kept(tree) == []

    tree.server("1.1.0")
    tree.plugin("mysql", "1.1.0")
    done = tree.ctl("sync", expect=0)
    assert "unversioned-kept" in done.err
    for _ in range(2):
        (found,) = kept(tree)
        assert (found["link"], found["other"]) == ("odd.so", path)
        assert "it was linked for vSMTP 1.0.0 and is kept for 1.1.0" in found["text"]
        assert "vsmtp-pluginctl disable odd" in found["text"]
        # The link deleted, and the server away for a while: the file is still the same.
        (tree.links_dir / "odd.so").unlink()
        tree.ctl("sync", expect=0)
        assert len(kept(tree)) == 1
        tree.server(None)
        tree.ctl("sync", expect=0)
        assert kept(tree) == []
        tree.server("1.1.0")
        tree.ctl("sync", expect=0)

    tree.server("1.0.0")
    assert kept(tree) == []
    tree.server("1.1.0")
    tree.config("[Plugin odd]\nVersion=1.1.0\n")
    assert kept(tree) == []
    tree.config("")
    tree.plugin("odd", "1.1.0", layout="C")
    tree.ctl("sync", expect=0)
    assert kept(tree) == []
    assert tree.links()["odd.so"] == path


def test_rule_04_what_is_remembered_of_a_file_harms_no_older_kit(tree):
    """It stands among the flags of a name, of which each kit reads those it knows."""
    tree.plugin("odd", layout="C")
    tree.ctl("sync", expect=0)
    (line,) = [l for l in (tree / "var/lib/vsmtp-plugind/names").read_text().splitlines() if l[0] != "#"]
    key, flags, link = line.split("\t")
    assert (key, link) == ("odd", "odd.so")
    assert flags.startswith("chosen,linked-for=1.0.0:build-id=")
    for damaged in ("chosen", "chosen,linked-for=", "chosen,linked-for=x:y", "chosen,linked-for=1.0.0:"):
        (tree / "var/lib/vsmtp-plugind/names").write_text(f"{key}\t{damaged}\t{link}\n")
        tree.ctl("sync", expect=0)
        assert line in (tree / "var/lib/vsmtp-plugind/names").read_text()


# ---- rule 9 ----


def broken_server(tree, how):
    if how == "missing-interpreter":
        tree.put(kit.SERVER, "#!/no/such/interpreter\n")
    elif how == "untrusted":
        (tree / kit.SERVER).chmod(0o775)
    elif how == "directory":
        tree.server(None)
        tree.mkdir(kit.SERVER)
    elif how == "loop":
        tree.server(None)
        (tree / kit.SERVER).symlink_to("vsmtp")
    else:
        tree.server("1.1.0", how)


BROKEN = ["floods", "crashes", "fails", "nonsense", "silent", "missing-interpreter", "untrusted"]
BROKEN += ["directory", "loop", pytest.param("hangs", marks=pytest.mark.slow)]


@pytest.mark.parametrize("how", BROKEN)
def test_rule_09_a_version_that_is_not_known_changes_nothing(tree, how):
    tree.plugin("mysql")
    tree.plugin("mysql", "1.1.0")
    tree.plugin("redis")
    tree.ctl("sync", expect=0)
    tree.link("gone.so", file_of("gone"))
    before = tree.links()
    broken_server(tree, how)
    done = tree.ctl("sync", expect=1)
    assert tree.links() == before
    assert "version is not known" in done.err
    assert "no link is removed or changed" in done.err
    with tree.daemon() as daemon:
        world.log_wait(daemon, "version is not known")
        assert "not known" in kit.wait_until(lambda: daemon.status)
        assert tree.links() == before
        tree.server("1.1.0") if how not in ("directory",) else None
        if how != "directory":
            daemon.wait_links({link_of("mysql"): file_of("mysql", "1.1.0")})


def test_rule_09_a_program_that_is_gone_is_absent(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    tree.server(None)
    tree.link("mine.so", "/opt/mine.so")
    tree.ctl("sync", expect=0)
    assert tree.links() == {"mine.so": "/opt/mine.so"}


def test_rule_09_a_store_that_cannot_be_read_is_not_empty(open_tree):
    """An ordinary user whose tree this is, and a store that he may not list."""
    tree = open_tree
    tree.plugin("mysql")
    tree.plugin("redis", "1.0.0", "B")
    tree.ctl("sync", expect=0)
    before = tree.links()
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", tree.path], check=True)
    for part in (tree.store / "1.0.0", tree.store):
        part.chmod(0)
        done = tree.ctl("sync", expect=1, user=NOBODY)
        assert tree.links() == before
        assert "is not known whole" in done.err and "Permission denied" in done.err
        part.chmod(0o755)
    tree.store.chmod(0o444)  # listed, but nothing in it can be looked at
    done = tree.ctl("sync", expect=1, user=NOBODY)
    assert tree.links() == before
    assert "Permission denied" in done.err
    tree.store.chmod(0o755)
    tree.ctl("sync", expect=0, user=NOBODY)
    assert tree.links() == before


@pytest.mark.parametrize("call", ["getdents64", "openat2"])
def test_rule_09_a_transient_error_removes_nothing(tree, tmp_path, call):
    """Whichever of these calls fails: no link of a plugin that is there is ever lost."""
    if not world.can_strace():
        pytest.skip("strace cannot trace here")
    tree.plugin("mysql")
    tree.plugin("redis", "1.0.0", "B")
    tree.ctl("sync", expect=0)
    before = tree.links()
    hits = 0
    for number in range(1, 60):
        done, hit = world.inject(world.ctl_argv(tree, "sync"), tmp_path, call, "error=EIO", number)
        if not hit:
            break
        hits += 1
        assert tree.links() == before, done
        assert done.code in (0, 1), done
        assert done.code == 0 or done.err, done
    assert hits > 0


# ---- rule 10 ----


def test_rule_10_a_deleted_link_comes_back_and_the_journal_names_disable(tree):
    tree.plugin("mysql")
    want = right_links(["mysql"])
    with tree.daemon() as daemon:
        daemon.wait_links(want)
        for round in range(1, 4):
            (tree.links_dir / link_of("mysql")).unlink()
            world.log_wait(daemon, "vsmtp-pluginctl disable mysql", round)
            daemon.wait_links(want)
        tree.ctl("disable", "mysql", expect=0)
        daemon.wait_links({})
        tree.plugin("redis")
        daemon.wait_links(right_links(["redis"]))
        assert daemon.log.count("vsmtp-pluginctl disable mysql") == 3
        tree.ctl("enable", "mysql", expect=0)
        daemon.wait_links(right_links(["mysql", "redis"]))


def test_rule_10_a_link_deleted_while_nobody_watched_comes_back(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    (tree.links_dir / link_of("mysql")).unlink()
    done = tree.ctl("sync", expect=0)
    assert "vsmtp-pluginctl disable mysql" in done.out + done.err
    assert tree.links() == right_links(["mysql"])


def test_rule_07_a_name_that_we_chose_follows_the_template(tree):
    with tree.daemon() as daemon:
        for name in ("one", "two"):
            tree.plugin(name)
            daemon.wait_links({link_of(n) for n in ("one", "two")[: 1 + (name == "two")]})
        record = tree / "var/lib/vsmtp-plugind/names"  # written once the link is there
        for name in ("one", "two"):
            kit.wait_until(lambda n=name: f"{n}\tchosen\t" in record.read_text(), what="the record")
        tree.config("[Plugind]\nLinkName=%n\n")
        daemon.wait_links({"one.so", "two.so"})


@pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")
def test_rule_09_a_new_file_that_cannot_be_read_is_said(tree, tmp_path):
    """Its link waits, the others' do not; the next pass makes it."""
    tree.plugin("mysql")
    tree.plugin("redis")
    done = kit.run(
        "strace", "-f", "-o", tmp_path / "log", "-P", os.path.basename(file_of("redis")),
        "-e", "trace=openat", "-e", "inject=openat:error=EIO", *world.ctl_argv(tree, "sync"),
    )  # fmt: skip
    assert done.code == 1 and f"{file_of('redis')} could not be read" in done.err, done
    assert tree.links() == right_links(["mysql"])
    tree.ctl("sync", expect=0)
    assert tree.links() == right_links(["mysql", "redis"])


# ---- rule 14 ----


def left_overs(tree):
    """What killed passes left: in the links directory, and in our own (by a process that is no more)."""
    process = subprocess.Popen(["true"])
    process.wait()
    tree.link(".vsmtp-plugind-abcdef", file_of("mysql"))
    left = [tree / f"{d}.{n}.{process.pid}" for d, n in
            [("run/vsmtp-plugind/", "generation"), ("var/lib/vsmtp-plugind/", "names")]]  # fmt: skip
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    return [tree.links_dir / ".vsmtp-plugind-abcdef", *left]


def test_rule_14_left_overs_are_swept_by_the_next_pass_of_anybody(tree):
    tree.plugin("mysql")
    alive = tree.put(f"/run/vsmtp-plugind/.status.{os.getpid()}", "half")
    left = left_overs(tree)
    tree.ctl("sync", expect=0)
    assert not any(os.path.lexists(p) for p in left)
    with tree.daemon() as daemon:
        left = left_overs(tree)
        kit.wait_until(lambda: not os.path.lexists(left[0]), what="the temporary link to go")
        tree.plugin("redis")
        daemon.wait_links(right_links(["mysql", "redis"]))
        kit.wait_until(lambda: not any(os.path.lexists(p) for p in left), what="the rest to go")
    assert alive.exists()


@pytest.mark.slow
@pytest.mark.parametrize("who", ["daemon", "sync"])
def test_rule_14_a_reader_never_misses_a_link(tree, who):
    """Versions flip 200 times under a reader that never stops."""
    targets = [tree.plugin("mysql", "1.0.0"), tree.plugin("mysql", "1.1.0")]
    tree.ctl("sync", expect=0)
    link = tree.links_dir / link_of("mysql")
    seen = set()

    def read(stop):
        while not stop.is_set():
            seen.add(os.readlink(link))  # raises if it is gone for a moment

    with world.Background(read):
        if who == "daemon":
            with tree.daemon() as daemon:
                for i in range(1, 201):
                    tree.server(("1.0.0", "1.1.0")[i % 2])
                    daemon.wait_links({link.name: targets[i % 2]})
        else:
            for i in range(1, 201):
                tree.config(f"[Plugind]\nVersion={('1.0.0', '1.1.0')[i % 2]}\n")
                tree.ctl("sync", expect=0)
                assert tree.links() == {link.name: targets[i % 2]}
    assert seen == set(targets)
    assert world.no_temporaries(tree)


def test_rule_14_a_flip_exchanges_and_leaves_nothing(tree):
    """The quick sibling: a reader over a few flips."""
    targets = [tree.plugin("mysql", "1.0.0"), tree.plugin("mysql", "1.1.0")]
    tree.ctl("sync", expect=0)
    link = tree.links_dir / link_of("mysql")
    reads = []

    def read(stop):
        while not stop.is_set():
            os.readlink(link)
            reads.append(1)

    with world.Background(read), tree.daemon() as daemon:
        for i in range(1, 31):
            tree.server(("1.0.0", "1.1.0")[i % 2])
            daemon.wait_links({link.name: targets[i % 2]})
    assert len(reads) > 1000 and world.no_temporaries(tree)


def test_rule_14_left_overs_of_a_killed_pass_are_swept(tree):
    tree.plugin("mysql")
    for name in (".vsmtp-plugind-abcdef", ".vsmtp-plugind-A1b2C3"):
        tree.link(name, file_of("mysql"))
    (tree.links_dir / ".vsmtp-plugind-fedcba").write_text("a file by hand")
    tree.link(".vsmtp-plugind-foreig", "/opt/mine.so")
    tree.link(".vsmtp-plugind-longer-than-ours", "/opt/mine.so")
    foreign = {
        ".vsmtp-plugind-fedcba": None,
        ".vsmtp-plugind-foreig": "/opt/mine.so",
        ".vsmtp-plugind-longer-than-ours": "/opt/mine.so",
    }
    tree.ctl("sync", expect=0)
    assert tree.links() == {**right_links(["mysql"]), **foreign}
    tree.link(".vsmtp-plugind-abcdef", file_of("mysql"))
    with tree.daemon():
        assert tree.links() == {**right_links(["mysql"]), **foreign}


@pytest.mark.parametrize("kind", ["symlink", "file", "directory"])
def test_rule_08_what_took_a_links_place_is_not_harmed(tree, kind):
    """Somebody puts his own thing where a link is about to be changed or removed, again and again."""
    tree.plugin("mysql", "1.0.0")
    tree.plugin("mysql", "1.1.0")
    tree.plugin("redis", "1.0.0")
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    aside = tree.mkdir("aside")
    harmed = []

    def own(number):
        thing = aside / f"own-{number}"
        if kind == "symlink":
            thing.symlink_to(f"/opt/own-{number}")
        elif kind == "file":
            thing.write_text(f"own-{number}")
        else:
            thing.mkdir()
        return thing

    def is_own(path, number):
        if kind == "symlink":
            return os.readlink(path) == f"/opt/own-{number}"
        return path.is_dir() if kind == "directory" else path.read_text() == f"own-{number}"

    for number in range(40):
        tree.server("1.0.0")
        tree.ctl("sync", expect=(0, 4))
        path = tree.links_dir / link_of(("mysql", "redis")[number % 2])
        thing = own(number)
        tree.server("1.1.0")
        process = subprocess.Popen(
            [*map(str, world.ctl_argv(tree, "sync"))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=kit.environment(),
        )
        time.sleep(chance.uniform(0.0, 0.008))
        if kind == "directory":
            path.unlink(missing_ok=True)
        thing.rename(path)
        process.wait(30)
        if not os.path.lexists(path) or path.is_symlink() != (kind == "symlink"):
            harmed.append(number)
        elif not is_own(path, number):
            harmed.append(number)
        path.rmdir() if kind == "directory" else path.unlink()
    assert harmed == []
    assert [n for n in os.listdir(tree.links_dir) if n.startswith(world.TEMPORARY)] == []


def test_rule_08_a_writer_that_never_stops_loses_nothing(tree):
    """A foreign link is renamed over the name all the time: what is there last is his newest."""
    tree.plugin("mysql", "1.0.0")
    tree.plugin("mysql", "1.1.0")
    path = tree.links_dir / link_of("mysql")
    aside = tree.mkdir("aside") / "new"
    last = [0]

    def write(stop):
        while not stop.is_set():
            number = last[0] + 1
            # now ours, now his: so that passes find something to change
            aside.symlink_to(file_of("mysql", "1.1.0") if number % 2 else f"/opt/own-{number}")
            aside.rename(path)
            last[0] = number
        if last[0] % 2:
            aside.symlink_to("/opt/own-last")
            aside.rename(path)

    with world.Background(write):
        for _ in range(60):
            tree.ctl("sync", expect=(0, 1, 4))
    wanted = f"/opt/own-{last[0]}" if last[0] % 2 == 0 else "/opt/own-last"
    assert os.readlink(path) == wanted
    tree.ctl("sync", expect=(0, 4))
    assert os.readlink(path) == wanted
    assert world.no_temporaries(tree)


def delayed(tree, where, calls, how):
    """A sync that pauses at that system call, so that the test can step in between."""
    return subprocess.Popen(
        ["strace", "-f", "-o", where / "delay", "-e", f"trace={calls}", "-e"]
        + [f"inject={calls}:{how}", *map(str, world.ctl_argv(tree, "sync"))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=kit.environment(ASAN_OPTIONS="abort_on_error=1:detect_leaks=0"),
    )


def put(tree, path, target):
    (tree / "tmp/own").symlink_to(target)
    (tree / "tmp/own").rename(path)


@pytest.mark.parametrize("times", [1, 2])
def test_rule_08_the_newest_of_two_that_step_in_stays(tree, tmp_path, times):
    """One foreign link takes the place just before the exchange, another one just after it."""
    tree.plugin("mysql", "1.1.0")
    tree.plugin("mysql", "1.0.0")
    tree.ctl("sync", expect=0)
    tree.server("1.1.0")
    path = tree.links_dir / link_of("mysql")
    process = delayed(tree, tmp_path, "renameat2", "delay_enter=300000:delay_exit=300000:when=1")
    kit.wait_until(lambda: not world.no_temporaries(tree), what="the temporary name")
    put(tree, path, "/opt/first")
    wanted = "/opt/first"
    if times == 2:
        kit.wait_until(lambda: os.readlink(path) != "/opt/first", what="the exchange")
        wanted = "/opt/second"
        put(tree, path, wanted)
    assert process.wait(30) in (1, 4)
    assert os.readlink(path) == wanted
    assert world.no_temporaries(tree)
    tree.ctl("sync", expect=(0, 4))
    assert tree.links() == {path.name: wanted}


def test_rule_08_what_steps_in_before_a_removal_goes_back(tree, tmp_path):
    tree.plugin("mysql", "1.0.0")
    tree.ctl("sync", expect=0)
    tree.server("1.1.0")
    path = tree.links_dir / link_of("mysql")
    process = delayed(tree, tmp_path, "renameat2", "delay_enter=400000:when=1")
    trace = tmp_path / "delay"
    kit.wait_until(lambda: trace.exists() and "renameat2(" in trace.read_text(), what="the call")
    put(tree, path, "/opt/first")
    assert process.wait(30) in (1, 4)
    assert tree.links() == {path.name: "/opt/first"}


@pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")
def test_rule_14_where_renameat2_has_no_flags_links_are_changed_and_removed(tree):
    for name in ("mysql", "redis"):
        tree.plugin(name)
    tree.ctl("sync", expect=0)
    tree.plugin("mysql", "1.1.0")
    tree.server("1.1.0")
    done = kit.run("strace", "-f", "-o", "/dev/null", "-e", "trace=renameat2", "-e",
                   "inject=renameat2:error=EINVAL", *world.ctl_argv(tree, "sync"), expect=4)
    assert tree.links() == right_links(["mysql"], "1.1.0"), done
    assert world.no_temporaries(tree)
