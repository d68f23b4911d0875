# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the daemon and of a pass share: rest, spies on the links directory, strace."""

import ctypes
import os
import re
import struct
import subprocess
import threading
import time

import kit

LIBC = ctypes.CDLL(None, use_errno=True)
NO_SECOND_LOOK = "[Plugind]\nSettleSec=1h\nSettleMaxSec=1h\n"
TEMPORARY = ".vsmtp-plugind-"
IN_CREATE, IN_MOVED_TO = 0x100, 0x80


def link_of(name):
    return f"vsmtp-plugin-{name}.so"


def file_of(name, version="1.0.0"):
    return f"{kit.STORE}/libvsmtp-plugin-{name}-{version}.so"


def right_links(names, version="1.0.0"):
    """What the links directory holds if just these plugins of layout A are linked."""
    return {link_of(name): file_of(name, version) for name in names}


def due(tree):
    """What a pass would still change."""
    plan = tree.ctl("plan", "--json", expect=0).json
    return [plan["directory"]] * (plan["directory"] != "fine") + plan["changes"]


def wait_rest(tree, limit=20.0):
    """Waits until nothing is due any more, by the word of the command that looks at everything."""
    last = []

    def nothing_due():
        last[:] = due(tree)
        return not last

    try:
        kit.wait_until(nothing_due, limit, step=0.03)
    except AssertionError:
        raise AssertionError(f"still due after {limit} s: {last}") from None


def no_temporaries(tree):
    return [n for n in os.listdir(tree.links_dir) if n.startswith(TEMPORARY)] == []


def log_wait(daemon, text, count=1, limit=20.0):
    kit.wait_until(lambda: daemon.log.count(text) >= count, limit, f"{text!r} in\n{daemon.log}")


def mount(*args):
    subprocess.run(["mount", *map(str, args)], check=True, capture_output=True)


def umount(path):
    subprocess.run(["umount", "-l", str(path)], check=True, capture_output=True)


def is_quiet(pid):
    """No time on a processor for half a second."""

    def used():
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[11:13]

    def switches():
        with open(f"/proc/{pid}/status") as f:
            return re.findall(r"ctxt_switches:\t(\d+)", f.read())

    before = used(), switches()
    time.sleep(0.5)
    return (used(), switches()) == before


class LinkSpy:
    """Tells of every entry that ever appeared in a directory (inotify: nothing is missed)."""

    def __init__(self, path):
        self.fd = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if LIBC.inotify_add_watch(self.fd, os.fsencode(path), IN_CREATE | IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def names(self):
        found = []
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return found
            at = 0
            while at < len(data):
                _, _, _, length = struct.unpack_from("iIII", data, at)
                found.append(os.fsdecode(data[at + 16 : at + 16 + length].rstrip(b"\0")))
                at += 16 + length

    def close(self):
        os.close(self.fd)


class Background:
    """Runs work(stop) in a thread until the block ends; what it raises comes out there."""

    def __init__(self, work):
        self.stop = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self._run, args=(work,), daemon=True)

    def _run(self, work):
        try:
            work(self.stop)
        except BaseException as error:  # handed on
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stop.set()
        self.thread.join(30)
        if kind is None and self.error is not None:
            raise self.error


class Strace:
    """Attached to a running process: .calls() are the system calls seen so far, as lines."""

    def __init__(self, pid, where, *options):
        self.file = where / f"strace-{pid}-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", self.file, *options, "-p", str(pid)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        kit.wait_until(lambda: self._attached(pid), what="strace to attach")

    def _attached(self, pid):
        with open(f"/proc/{pid}/status") as status:
            return f"TracerPid:\t{self.process.pid}\n" in status.read()

    def calls(self):
        return self.file.read_text(errors="replace").splitlines()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:  # strace may miss it; the traced process runs on
            self.process.kill()
            self.process.wait(30)


def can_strace():
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


def traced(argv, where, calls, *options):
    """Runs a program under strace. Returns (Done, what was written of these system calls)."""
    log = where / "strace.log"
    done = kit.run("strace", "-f", "-o", log, "-e", f"trace={calls}", *options, *argv)
    return done, log.read_text(errors="replace")


def inject(argv, where, calls, what, number):
    """Runs a program in which the number-th of these system calls fails (what: error=ENOSPC) or
    kills it (signal=KILL). Returns (Done, whether that many calls were made at all)."""
    options = ["-e", f"inject={calls}:{what}:when={number}"]
    if what.startswith("error="):  # faster, since it stops at no other call; signals are not sent so
        options.append("--seccomp-bpf")
    done, text = traced(argv, where, calls, *options)
    hit = "(INJECTED)" in text or (what.endswith("KILL") and "+++ killed by SIGKILL +++" in text)
    return done, hit


def count_calls(argv, where, call, tree):
    """Which of these system calls, by number, the program makes when left in peace: itself, and once
    it has opened the tree. What comes before is the loader's and the C library's."""
    done, text = traced(argv, where, f"{call},openat")
    own = re.findall(rf"^{text.split(maxsplit=1)[0]} +(\w+)\((.*)", text, re.M)
    start = next(i for i, (name, rest) in enumerate(own) if name == "openat" and f'"{tree.path}"' in rest)
    before = sum(name == call for name, _ in own[:start])
    return done, range(before + 1, sum(name == call for name, _ in own) + 1)


def ctl_argv(tree, *args):
    return [kit.program("vsmtp-pluginctl"), f"--root={tree.path}", "--ask-program", *args]
