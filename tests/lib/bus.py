# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private bus with the double of the service manager on it, and a scratch tree to live in.

    with bus.Host(tree, tmp_path) as host:      vSMTP runs as vsmtp.service on that tree
        host.apply("vsmtp.service result failed")
        host.ask()                              files a request, which starts the executor
        host.wait_end()
        host.count("TryRestartUnit vsmtp.service")

The programs take no --root for bus work, so they run chrooted into the tree, in a mount namespace of
their own in which the host's libraries, the bus and the build directory are bound into it.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import time

import pytest

import kit

NAME = "org.freedesktop.systemd1"
EXECUTOR = "vsmtp-plugin-reload.service"
ASKED = "vsmtp-plugin-reload.path"
UNIT = "vsmtp.service"
DOUBLE = kit.BUILD / "tests" / "double" / "systemd1-double"

CONFIG = """<busconfig><listen>{address}</listen><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
</policy></busconfig>
"""
# Of a daemon or an executor that need not wait long.
CONFIG_QUICK = "[Plugind]\nSettleSec=50ms\nSettleMaxSec=500ms\n"


def require():
    """Skips the test where it cannot work."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mount namespaces")
    for program in ("dbus-daemon", "dbus-send", "unshare", "chroot"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    if not DOUBLE.exists():
        raise FileNotFoundError(f"{DOUBLE}: not built (KIT_BUILD={kit.BUILD})")


class Bus:
    """dbus-daemon, and unless manager=False the double."""

    def __init__(self, where, lines=(), manager=True):
        self.dir = where
        self.dir.mkdir(parents=True, exist_ok=True)
        self.address = f"unix:path={self.dir}/bus"
        self.log_path = self.dir / "log"
        self.errors = open(self.dir / "errors", "w+b")
        self.processes = []
        (self.dir / "conf").write_text(CONFIG.format(address=self.address))
        self._spawn("dbus-daemon", "--nofork", f"--config-file={self.dir}/conf")
        try:
            kit.wait_until(self._answers, what="the bus")
            if manager:
                self._spawn(DOUBLE, self.log_path, *lines)
                self.wait("ready")
        except BaseException:
            self.close()
            raise

    def _answers(self):
        """The socket is there a little before anybody listens."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.dir / "bus")) == 0

    def _spawn(self, *argv):
        self.processes.append(
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=self.errors,
                stderr=self.errors,
                env=self.environment(),
            )
        )

    def environment(self, **more):
        # The programs run in a chroot, and are to take the double for its service manager.
        ours = {"DBUS_SYSTEM_BUS_ADDRESS": self.address, "SYSTEMD_IGNORE_CHROOT": "1"}
        return kit.environment(**{**ours, **more})

    @property
    def log(self):
        """What the double was asked and did, line by line."""
        try:
            return self.log_path.read_text(errors="surrogateescape").splitlines()
        except FileNotFoundError:
            return []

    @property
    def output(self):
        """What the programs said (standard error of all that the double started)."""
        size = os.fstat(self.errors.fileno()).st_size
        return os.pread(self.errors.fileno(), size, 0).decode(errors="surrogateescape")

    def count(self, line):
        """How many lines begin with these words?"""
        return sum(one == line or one.startswith(line + " ") for one in self.log)

    def wait(self, line, count=1, limit=30):
        try:
            kit.wait_until(lambda: self.count(line) >= count, limit)
        except AssertionError:
            raise AssertionError(
                f"not {count} x {line!r}:\n" + "\n".join(self.log) + "\n" + self.output
            ) from None

    def call(self, destination, path, member, *arguments):
        return kit.run(
            "dbus-send",
            f"--bus={self.address}",
            "--print-reply",
            f"--dest={destination}",
            path,
            member,
            *(f"string:{a}" for a in arguments),
            expect=0,
        ).out

    def apply(self, line):
        """One line for the double (see tests/double/systemd1.c)."""
        self.call(NAME, "/control", "vsmtp.test.Double1.Apply", line)

    def close(self):
        for line in self.log:
            if line.startswith("executor spawned "):
                self._end_leftover(int(line.split()[2]))
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.errors.close()

    def _end_leftover(self, pid):
        """An executor that a failed test left frozen or waiting."""
        try:
            with open(f"/proc/{pid}/stat") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            return
        if parent in [p.pid for p in self.processes]:
            os.kill(pid, signal.SIGKILL)


class Host(Bus):
    """The bus, the double, and a tree on which vSMTP runs as vsmtp.service."""

    def __init__(self, tree, where, lines=(), start=True, **options):
        self.tree = tree
        self.where = where / "bus"
        self.where.mkdir(parents=True)
        command = self.wrapper("vsmtp-plugin-reload")
        self.asked = tree.mkdir("run/vsmtp-plugind/asked")
        if options.get("manager", True):
            tree.mkdir("run/systemd/system")
        first = [f"executor command {command}", f"executor asked {self.asked}"]
        if start:
            first.append(f"{UNIT} start")
        super().__init__(self.where, [*first, *lines], **options)

    def wrapper(self, program, *arguments, before=""):
        """A script that runs one of our programs in the tree."""
        kit.program(program)
        binds = ["/proc", "/dev", str(self.where), str(kit.BUILD)]
        for name in ("lib", "lib64", "bin"):
            if os.path.islink(f"/{name}"):
                (self.tree / name).unlink(missing_ok=True)
                (self.tree / name).symlink_to(os.readlink(f"/{name}"))
        for name in ("usr/lib", "usr/lib64"):
            if not os.path.isdir(f"/{name}"):
                continue
            for entry in os.listdir(f"/{name}"):
                path = f"/{name}/{entry}"
                if os.path.islink(path):
                    self._link(path)
                elif os.path.isdir(path) and ("linux-gnu" in entry or name == "usr/lib64"):
                    binds.append(path)
        lines = ["set -e"]
        for path in binds:
            self.tree.mkdir(path)
            lines.append(f"mount --rbind '{path}' '{self.tree / path}'")
        argv = " ".join(f"'{a}'" for a in (kit.BUILD / "src" / program, *arguments))
        lines.append(f"exec chroot '{self.tree.path}' {argv}")
        inner = self.where / f"{program}.inner"
        inner.write_text("\n".join(lines) + "\n")
        outer = self.where / program
        outer.write_text(f"#!/bin/sh\n{before}\nexec unshare -m sh {inner}\n")
        outer.chmod(0o755)
        return outer

    def journal_stream(self, stream):
        """From now on the executor is told that its standard error is this one of the journal."""
        self.wrapper("vsmtp-plugin-reload", before=f"export JOURNAL_STREAM={stream}")

    def _link(self, path):
        """Symlinks that lead to the loader (/usr/lib64/ld-linux-x86-64.so.2)."""
        self.tree.mkdir(os.path.dirname(path))
        target = self.tree / path
        if not target.is_symlink() and not target.exists():
            target.symlink_to(os.readlink(path))

    def ask(self, kind="look", unit="", replaces="", text=None):
        """What everybody does who wants something of the executor. Returns the request's name."""
        usec = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        name = f"{random.getrandbits(64):016x}"
        if text is None:
            text = f"format 1\nkind {kind}\nunit {unit}\nreplaces {replaces}\nset \nusec {usec}\n"
            text += f"pid {os.getpid()}\ncommand test\n"
        (self.asked / f".{name}").write_text(text)
        (self.asked / f".{name}").rename(self.asked / name)
        return name

    @property
    def invocation(self):
        """Of the last start of vSMTP."""
        return [l.split()[2] for l in self.log if l.startswith(f"started {UNIT} ")][-1]

    def answer(self, name=None):
        """The last word on a request, by default on any: [word, reason, sentence]."""
        lines = (self.tree / "run/vsmtp-plugind/answer").read_text().splitlines()
        assert lines[0] == "format 1" and lines[1].startswith("pid ")
        for line in lines[2:]:
            asked, word, why, _, text = line.split("\t")
            if name in (None, asked):
                return [word, why, text]
        return None

    def wait_answer(self, name, word):
        def answered():
            try:
                found = self.answer(name)
            except FileNotFoundError:
                return False
            return found and found[0] == word

        try:
            kit.wait_until(answered, 30, f"the answer {word}")
        except AssertionError as e:
            path = self.tree / "run/vsmtp-plugind/answer"
            have = path.read_text() if path.exists() else "no answer"
            raise AssertionError(f"{e}\n{have}\n" + "\n".join(self.log)) from None
        return self.answer(name)

    def run(self, program, *arguments, **more):
        """Runs a program in the tree, not as a unit."""
        return kit.run(self.wrapper(program, *arguments), env=self.environment(), **more)

    def ctl(self, *arguments, **more):
        return self.run("vsmtp-pluginctl", *arguments, **more)

    def wait_end(self, count=None):
        """Until nothing is asked and every executor that was started has ended."""

        def ended():
            started = self.count("executor spawned")
            done = started > 0 and started == self.count("executor exit")
            return done and not os.listdir(self.asked)

        if count is not None:
            self.wait("executor exit", count)
        try:
            kit.wait_until(ended, 60, "the executor's end")
        except AssertionError as e:
            raise AssertionError(f"{e}\n" + "\n".join(self.log) + "\n" + self.output) from None

    @property
    def restarts(self):
        return self.count(f"TryRestartUnit {UNIT}")

    @property
    def last(self):
        """What the executor wrote down, as a dictionary."""
        text = (self.tree / "run/vsmtp-plugind/last-reload").read_text()
        return dict(line.split("=", 1) for line in text.splitlines())

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        output = self.output
        if kind is not None:
            print("\n".join(self.log))
            print(output)
        self.close()
        if kind is None:
            assert "AddressSanitizer" not in output and "runtime error:" not in output, output
