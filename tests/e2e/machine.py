# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container in which apt is used, and what it shares with the one for dnf."""

import contextlib

import harness
import kit

import record


OWN = "/etc/vsmtp/plugins/own.so"


class Common(harness.Container):
    """What is left to see, whatever the package manager."""

    recorded = None
    own = None

    def put_own(self):
        """A library that the administrator put there by hand, which fits any vSMTP; links() and starts'
        links go without it, in_order() looks after it."""
        self.sh("mkdir -p /etc/vsmtp/plugins")
        self.put(OWN, kit.plugin_bytes(tag="own"), 0o640)
        self.has_own()

    def has_own(self):
        self.own = self._look_at_own()

    def drop_own(self):
        self.path(OWN).unlink()
        self.own = None

    def _look_at_own(self):
        st = self.path(OWN).lstat()
        return st.st_ino, st.st_mode, st.st_mtime_ns, st.st_ctime_ns, self.path(OWN).read_bytes()

    def links(self):
        found = super().links()
        if self.own:
            found.pop(OWN.rsplit("/", 1)[1], None)
        return found

    @contextlib.contextmanager
    def stopped_at(self, stamp, *command):
        """Inside, the command runs and is held where a script makes that stamp; behind, it has ended."""
        gate = self.path("/run/kit-gate")
        gate.write_text(stamp)
        self.sh(
            "systemd-run -q --collect --unit=transaction -E DEBIAN_FRONTEND=noninteractive sh -c"
            f" '{' '.join(command)} >/run/transaction.log 2>&1 </dev/null; echo $? >/run/transaction.code'"
        )
        try:
            kit.wait_until(self.path("/run/kit-gate-reached").exists, 60, f"the stamp {stamp}")
            yield
        finally:
            gate.unlink()
        code = self.path("/run/transaction.code")
        kit.wait_until(code.exists, 120, "the transaction's end")
        self.transaction = int(code.read_text()), self.path("/run/transaction.log").read_text()

    def record(self):
        """The transaction's merged log: with machine.record() as log: ..."""
        self.recorded = record.Record(self)
        return self.recorded

    def failed_units(self):
        return self.run("systemctl", "--failed", "--plain", "--no-legend").out.strip()

    def mapped(self):
        """Plugins that the running server has mapped."""
        pid = self.show("vsmtp.service", "MainPID")
        text = self.path(f"/proc/{pid}/maps").read_text()
        return {line.split()[-1].split("/")[-1] for line in text.splitlines() if "/usr/lib/vsmtp/" in line}

    def wait_links_are(self, want, limit=30):
        kit.wait_until(lambda: self.links() == want, limit, f"the links {want}")

    def wait_count(self, count):
        """Like wait_starts(), when nobody is at peace yet."""
        kit.wait_until(lambda: len(self.starts()) >= count, 60, f"start {count} of vSMTP")

    def disorder(self):
        """Entries of the links directory that dangle or are somebody's temporary ones."""
        return self.sh(
            "cd /etc/vsmtp/plugins 2>/dev/null || exit 0; "
            'for l in * .[!.]*; do [ -e "$l" ] || [ ! -L "$l" ] || echo "$l dangles"; done; '
            "ls -A | grep '^[.]' || :"
        ).out

    def common_order(self):
        assert not self.own or self._look_at_own() == self.own, "the administrator's own file"
        assert self.failed_units() == ""
        assert self.disorder() == "", self.links()


class Machine(Common):
    """What an administrator does with apt."""

    LOCK = "/var/lib/dpkg/lock-frontend"

    def apt(self, *args, check=True):
        return self.run(
            "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *args, check=check, timeout=300
        )

    def install(self, *packages, **options):
        return self.apt("install", *packages, **options)

    update = install

    def remove(self, *packages, **options):
        return self.apt("remove", *packages, **options)

    def purge(self, *packages, **options):
        return self.apt("purge", *packages, **options)

    def reinstall(self, *packages, **options):
        return self.apt("install", "--reinstall", *packages, **options)

    def upgrade(self, **options):
        return self.apt("dist-upgrade", **options)

    def release(self, name):
        """From now on the repository offers that release."""
        self.sh(f"ln -sfn /srv/releases/{name} /srv/repo")
        self.apt("update")

    def states(self):
        """{package: state} as dpkg's two letters, 'ii' for all in order."""
        out = self.run("dpkg-query", "-W", "-f=${binary:Package} ${db:Status-Abbrev}\n", check=False).out
        return dict(line.split() for line in out.splitlines() if line.startswith("vsmtp"))

    def versions(self):
        out = self.run("dpkg-query", "-W", "-f=${binary:Package} ${Version}\n", check=False).out
        return dict(line.split() for line in out.splitlines() if line.startswith("vsmtp"))

    def in_order(self, states=("ii", "rc")):
        """What every scenario ends with."""
        self.common_order()
        assert set(self.states().values()) <= set(states), self.states()
        assert self.run("flock", "-n", self.LOCK, "true", check=False).code == 0
        assert self.run("dpkg", "--audit").out == ""


def loaded(start):
    """{link: result} of one start of the stand-in server."""
    return {name: result for name, (target, result) in start["loaded"].items() if target}


def seen(start):
    """{link: target} of one start; what it saw must also have loaded."""
    assert {result for _, result in start["loaded"].values()} <= {"ok"}, start
    return {name: target for name, (target, _) in start["loaded"].items() if target}
