# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon looks only at what is in doubt. Whatever it does so must be what a look at everything does:
after any operation, once it is quiet, nothing is due."""

import contextlib
import os
import random
import shutil

import pytest

import kit
import world
from world import file_of, link_of

NAMES = ["alpha", "beta", "gam-ma", "gam_ma", "d3", "alpha2"]
VERSIONS = ["1.0.0", "1.1.0", "1.0.0+b1", "2.0.0-rc.1"]
SERVERS = ["1.0.0", "1.1.0", "2.0.0-rc.1"]
STORES = [kit.STORE, "/usr/local/lib/vsmtp"]


class Chance:
    """Random operations on a tree; each returns what it did, as text."""

    def __init__(self, tree, seed):
        self.tree = tree
        self.random = random.Random(seed)
        self.builds = 0
        self.operations = [
            (self.install, 10),
            (self.remove, 5),
            (self.rename, 3),
            (self.damage, 2),
            (self.rewrite, 2),
            (self.mode, 2),
            (self.hard_link, 1),
            (self.symlink, 1),
            (self.delete_link, 4),
            (self.hand_link, 4),
            (self.foreign, 2),
            (self.rename_link, 2),
            (self.server, 3),
            (self.configure, 3),
            (self.version_directory, 1),
            (self.command, 2),
        ]

    def step(self):
        work = self.random.choices(*zip(*self.operations))[0]
        return f"{work.__name__}: {work()}"

    def file(self):
        name = self.random.choice(NAMES)
        version = self.random.choice(VERSIONS)
        store = self.random.choice([STORES[0], STORES[0], STORES[1]])
        lib, a, b = (self.random.choice(x) for x in (["lib", ""], "-_", "-_"))
        prefix = f"{lib}vsmtp{a}plugin{b}" if self.random.random() < 0.3 else "libvsmtp-plugin-"
        layout = self.random.choice("AAABBC")
        if layout == "A":
            return f"{store}/{prefix}{name}-{version}.so"
        if layout == "B":
            return f"{store}/{version}/libvsmtp_plugin_{name}.so"
        return f"{store}/{self.random.choice([name, 'libvsmtp_plugin_' + name])}.so"

    def existing(self):
        files = []
        for store in STORES:
            if (self.tree / store).is_dir():
                files += [p for p in (self.tree / store).rglob("*") if p.is_symlink() or p.is_file()]
        return self.random.choice(sorted(files)) if files else None

    def link(self):
        links = sorted(self.tree.links())
        return self.tree.links_dir / self.random.choice(links) if links else None

    def data(self):
        self.builds += 1
        return kit.plugin_bytes(built_for="1.0.0", tag=str(self.builds))

    def install(self):
        path = self.file()
        if (self.tree / path).is_symlink():
            (self.tree / path).unlink()
        self.tree.put(path, self.data())
        return path

    def remove(self):
        path = self.existing()
        path and path.unlink()
        return path

    def rename(self):
        path, to = self.existing(), self.tree / self.file()
        if path and to.parent.is_dir():
            path.rename(to)
        return path, to

    def damage(self):
        path = self.existing()
        if path and not path.is_symlink():
            with open(path, "r+b") as f:
                f.truncate(self.random.randrange(3000))
        return path

    def rewrite(self):
        path = self.existing()
        if path and not path.is_symlink():
            path.write_bytes(self.data())
        return path

    def mode(self):
        path = self.existing()
        mode = self.random.choice([0o755, 0o644, 0o775, 0o200])
        if path and not path.is_symlink():
            path.chmod(mode)
        return path, oct(mode)

    def hard_link(self):
        path, to = self.existing(), self.tree / self.file()
        if path and to.parent.is_dir() and not os.path.lexists(to):
            os.link(path, to, follow_symlinks=False)
        return path, to

    def symlink(self):
        to = self.tree / self.file()
        if to.parent.is_dir() and not os.path.lexists(to):
            to.symlink_to(self.file())
        return to

    def delete_link(self):
        path = self.link()
        path and path.unlink(missing_ok=True)
        return path

    def hand_link(self):
        name = self.random.choice([link_of(self.random.choice(NAMES)), "mine.so", "own.so", "a.so"])
        target = self.file()
        new = self.tree / "tmp/new-link"
        new.symlink_to(self.random.choice([target, f"../../..{target}"]))
        new.rename(self.tree.links_dir / name)
        return name, target

    def foreign(self):
        path = self.tree.links_dir / link_of(self.random.choice(NAMES))
        if os.path.lexists(path):
            path.unlink()
        else:
            new = self.tree / "tmp/new-entry"
            new.symlink_to("/opt/own.so") if self.random.random() < 0.5 else new.touch()
            new.rename(path)
        return path

    def rename_link(self):
        path = self.link()
        to = self.tree.links_dir / self.random.choice(["mine.so", "own.so", "b.so", "a.so"])
        with contextlib.suppress(FileNotFoundError):  # the daemon was faster
            path and path.rename(to)
        return path, to

    def server(self):
        version = self.random.choice([*SERVERS, SERVERS[0], None])
        self.tree.server(version)
        return version

    def configure(self):
        # No settled look: each step has to be seen by its own events.
        lines = ["[Plugind]", f"Store={STORES[0]} {STORES[1]}", "SettleSec=1h", "SettleMaxSec=1h"]
        if self.random.random() < 0.3:
            lines.append("LinkName=" + self.random.choice(["%n", "x-%n", "vsmtp-plugin-%n"]))
        if self.random.random() < 0.2:
            lines.append("Unversioned=skip")
        for name in NAMES:
            if self.random.random() < 0.15:
                extra = ["Enabled=no", "LinkName=special.so", "LinkName=mine", "Version=1.1.0"]
                lines += [f"[Plugin {name}]", self.random.choice(extra)]
        self.tree.config("\n".join(lines) + "\n")
        return lines

    def version_directory(self):
        store = self.tree / STORES[0]
        path = store / self.random.choice(VERSIONS)
        aside = self.tree / "tmp" / path.name
        if path.is_dir():
            if aside.exists():
                shutil.rmtree(aside)
            path.rename(aside)
        elif aside.is_dir():
            aside.rename(path)
        return path

    def command(self):
        verb = self.random.choice([["sync"], ["enable", "alpha"], ["disable", "beta"], ["enable", "beta"]])
        self.tree.ctl(*verb)
        return verb


def settle(tree, done):
    """Waits for rest; then both words must be the same, and each link right."""
    try:
        world.wait_rest(tree)
    except AssertionError as error:
        raise AssertionError(f"{error}; the last operations: {done[-6:]}") from None


@pytest.mark.parametrize(
    "turns, burst", [(40, 1), pytest.param(300, 1, marks=pytest.mark.slow),
                     pytest.param(80, 6, marks=pytest.mark.slow)]
)  # fmt: skip
def test_rule_16_a_look_at_what_is_in_doubt_is_as_good_as_one_at_everything(tree, turns, burst):
    seed = int(os.environ.get("KIT_SEED", random.randrange(1 << 32)))
    print("seed", seed)  # KIT_SEED=... repeats it
    tree.mkdir(STORES[1])
    chance = Chance(tree, seed)
    chance.configure()
    done = []
    with tree.daemon() as daemon:
        for _ in range(turns):
            for _ in range(burst):
                done.append(chance.step())
            settle(tree, done)
            kit.wait_until(lambda: world.no_temporaries(tree), what=f"no temporary after {done[-6:]}")
            assert daemon.process.poll() is None, (done[-6:], daemon.log)
        links = tree.links()
        daemon.signal(1)
        daemon.wait_message("READY=1", count=2)
        assert tree.links() == links, done[-6:]


def test_rule_07_a_found_name_is_remembered(tree):
    """The administrator renames a link; its plugin goes and comes back: his name is used."""
    with tree.daemon() as daemon:
        tree.plugin("alpha")
        daemon.wait_links([link_of("alpha")])
        (tree.links_dir / link_of("alpha")).rename(tree.links_dir / "mine.so")
        world.wait_rest(tree)
        for _ in range(3):
            (tree / file_of("alpha")).unlink()
            daemon.wait_links([])
            tree.plugin("alpha")
            daemon.wait_links(["mine.so"])
        (tree.links_dir / "mine.so").unlink()
        daemon.wait_links(["mine.so"])


NO_MORE = "[Plugind]\nStore=/usr/lib/vsmtp /usr/lib/vsmtp/1.0.0\nSettleSec=1h\nSettleMaxSec=1h\n"


def test_rule_16_a_directory_of_two_stores_is_looked_at_for_both(tree):
    tree.config(NO_MORE)
    tree.mkdir(f"{kit.STORE}/1.0.0")
    with tree.daemon() as daemon:
        tree.put(f"{kit.STORE}/1.0.0/lib-plugin.so", kit.plugin_bytes(built_for="1.0.0"))
        daemon.wait_links({"lib-plugin.so": f"{kit.STORE}/1.0.0/lib-plugin.so"})
        tree.put(f"{kit.STORE}/1.0.0/libvsmtp_plugin_b.so", kit.plugin_bytes(built_for="1.0.0", tag="b"))
        daemon.wait_links({"lib-plugin.so", "libvsmtp_plugin_b.so"})
        tree.config(NO_MORE + "Unversioned=skip\n")  # now only the version directory says what fits
        daemon.wait_links({"libvsmtp_plugin_b.so"})
        tree.put(f"{kit.STORE}/1.0.0/libvsmtp_plugin_c.so", kit.plugin_bytes(built_for="1.0.0", tag="c"))
        daemon.wait_links({"libvsmtp_plugin_b.so", "libvsmtp_plugin_c.so"})


def test_rule_01_a_file_that_is_called_like_a_version_directory_is_a_candidate(tree):
    tree.put(f"{kit.STORE}/1.0.0-x.so", kit.plugin_bytes(built_for="1.0.0"))
    with tree.daemon() as daemon:
        world.log_wait(daemon, f"{kit.STORE}/1.0.0-x.so is not linked (name-not-understood)")
    why = tree.ctl("why", "1.0.0-x.so", expect=0)
    assert "name-not-understood" in why.out


@pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")
def test_rule_16_what_is_not_in_doubt_costs_no_system_call(tree, tmp_path):
    """One more plugin among others: nothing is asked about those, nor about the way to anything; and
    the looks that our own link and the quiet after it bring ask about next to nothing."""
    for i in range(50):
        tree.plugin(f"p{i}", tag=str(i))
    tree.plugin("other", "0.9.0")
    with tree.daemon() as daemon:
        kit.wait_until(lambda: world.is_quiet(daemon.pid), what="rest")
        with world.Strace(daemon.pid, tmp_path) as trace:
            tree.plugin("new")
            kit.wait_until(lambda: link_of("new") in tree.links())
            kit.wait_until(lambda: world.is_quiet(daemon.pid), what="rest")
            calls = trace.calls()
    assert [c for c in calls if "plugin-p" in c or "plugin-other" in c or "inotify_add" in c] == []
    made = next(i for i, c in enumerate(calls) if "symlinkat" in c)
    assert made < 70 and len(calls) < 250, "\n".join(calls)


def test_rule_16_what_a_symlink_leads_to_is_watched(tree):
    tree.config("[Plugind]\nSettleSec=1h\nSettleMaxSec=1h\n")
    tree.put("/srv/x.so", kit.plugin_bytes(built_for="1.0.0"))
    tree.mkdir(kit.STORE)
    (tree / file_of("redis")).symlink_to("/srv/x.so")
    with tree.daemon() as daemon:
        daemon.wait_links([link_of("redis")])
        tree.put("/srv/x.so", b"no ELF")
        daemon.wait_links([])
        tree.put("/srv/x.so", kit.plugin_bytes(built_for="1.0.0"))
        daemon.wait_links([link_of("redis")])
