# SPDX-License-Identifier: LGPL-2.1-or-later
"""One merged, time-stamped log of a package transaction in a container.

Four writers, sorted by their time stamps: what dpkg says it does and what the stand-ins' maintainer
scripts see (both through /usr/sbin/kit-mark, into MARKS), what inotifywait sees in the directories
that matter, who has the package manager's locks, and the starts of the stand-in server.

    with Record(machine) as record:
        machine.install("vsmtp-plugin-a")
    record.starts(), record.of("lock"), record.held("lock-frontend"), print(record)
"""

import fcntl
import os
import struct
import subprocess
import threading
import time
from dataclasses import dataclass

import kit

MARKS = "/run/kit-marks.log"
LOCKS = {
    "lock-frontend": "/var/lib/dpkg/lock-frontend",
    "lock": "/var/lib/dpkg/lock",
    ".rpm.lock": "/var/lib/rpm/.rpm.lock",
}
FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux
WATCHED = ("/usr/lib/vsmtp", "/etc/vsmtp/plugins", "/usr/sbin")


@dataclass(order=True)
class Event:
    time: float
    source: str  # mark, file, lock, start
    text: str


class Record:
    def __init__(self, machine):
        self.machine = machine
        self.events = []
        self._began = self._ended = None
        self._stop = threading.Event()
        self._threads = []
        self._inotify = None

    def __enter__(self):
        self._began = time.time()
        self.machine.sh(f"mkdir -p {' '.join(WATCHED)}")
        # The reader stamps: inotifywait itself knows whole seconds only.
        self._inotify = subprocess.Popen(
            ["nsenter", "-t", str(self.machine.leader), "-a", "inotifywait", "-m", "-r", "-q"]
            + ["-e", "create,delete,move,close_write,attrib", "--format", "%e %w%f", *WATCHED],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )
        for work in (self._read_inotify, self._probe_locks):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._arm()
        return self

    def _arm(self):
        """Until the watches are there, which inotifywait -q does not say."""
        probe = self.machine.path("/usr/lib/vsmtp/.kit-armed")

        def seen():
            probe.touch()
            probe.unlink()
            return any(".kit-armed" in e.text for e in list(self.events))

        kit.wait_until(seen, 20, "inotifywait's watches", step=0.05)
        self.events = [e for e in self.events if ".kit-armed" not in e.text]

    def __exit__(self, *_):
        # What was caused may still be under way: the caller waits for peace, then reads.
        self._stop.set()
        time.sleep(0.05)
        # nsenter waits for its child, and a signal for the one is none for the other.
        self.machine.run("pkill", "-x", "inotifywait", check=False)
        self._inotify.wait(20)
        for thread in self._threads:
            thread.join(10)
        self._ended = time.time()
        self.events = [e for e in self.events if ".kit-armed" not in e.text]
        self._read_marks()

    # ---- writers ----

    def _read_inotify(self):
        for line in self._inotify.stdout:
            self.events.append(Event(time.time(), "file", line.strip()))

    def _probe_locks(self):
        """Asks, and never takes: a lock of ours would make apt fail."""
        held = dict.fromkeys(LOCKS, False)
        while not self._stop.wait(0.002):
            for name, path in LOCKS.items():
                now = self._is_held(path)
                if now != held[name]:
                    held[name] = now
                    self.events.append(Event(time.time(), "lock", f"{name} {'held' if now else 'free'}"))

    def _is_held(self, path):
        try:
            fd = os.open(self.machine.path(path), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            return struct.unpack(FLOCK, fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))[0] != fcntl.F_UNLCK
        finally:
            os.close(fd)

    def _read_marks(self):
        try:
            text = self.machine.path(MARKS).read_text(errors="replace")
        except FileNotFoundError:
            return
        for line in text.splitlines():
            stamp, _, rest = line.partition(" ")
            if self._began <= float(stamp) <= self._ended:
                self.events.append(Event(float(stamp), "mark", rest))

    # ---- reading ----

    def starts(self):
        """Starts of the server while this was recorded."""
        return [s for s in self.machine.starts() if self._began <= s["time"] <= self._ended]

    def all(self):
        starts = [Event(s["time"], "start", f"vSMTP {s['version']} {s['loaded']}") for s in self.starts()]
        return sorted(self.events + starts)

    def of(self, source):
        return [e for e in self.all() if e.source == source]

    def held(self, lock):
        """(from, to) for each time that lock was held."""
        spans, since = [], None
        for event in self.of("lock"):
            name, _, state = event.text.partition(" ")
            if name == lock and state == "held":
                since = event.time
            elif name == lock and since is not None:
                spans.append((since, event.time))
                since = None
        return spans

    def __str__(self):
        return "\n".join(f"{e.time - self._began:9.4f} {e.source:5} {e.text}" for e in self.all())
