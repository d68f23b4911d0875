# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container in which apt is used."""

import harness


class Machine(harness.Container):
    """What an administrator does, and what is left to see."""

    def apt(self, *args, check=True):
        return self.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *args, check=check)

    def release(self, version):
        """From now on the repository offers that version."""
        self.sh(f"ln -sfn /srv/releases/{version} /srv/repo")
        self.apt("update")

    def states(self):
        """{package: state} as dpkg's two letters, 'ii' for all in order."""
        out = self.run("dpkg-query", "-W", "-f=${binary:Package} ${db:Status-Abbrev}\n", check=False).out
        return dict(line.split() for line in out.splitlines() if line.startswith("vsmtp"))

    def failed_units(self):
        return self.run("systemctl", "--failed", "--plain", "--no-legend").out.strip()

    def mapped(self):
        """Plugins that the running server has mapped."""
        pid = self.show("vsmtp.service", "MainPID")
        text = self.path(f"/proc/{pid}/maps").read_text()
        return {line.split()[-1].split("/")[-1] for line in text.splitlines() if "/usr/lib/vsmtp/" in line}

    def links_dir_is_clean(self):
        """Nothing dangles and nothing temporary is left."""
        out = self.sh(
            "cd /etc/vsmtp/plugins 2>/dev/null || exit 0; "
            "for l in * .[!.]*; do [ -e $l ] || [ ! -L $l ] || echo $l dangles; done; ls -A | grep '^[.]' || :"
        ).out
        return out == ""

    def in_order(self):
        assert self.failed_units() == ""
        assert self.links_dir_is_clean(), self.links()
        assert set(self.states().values()) <= {"ii", "rc"}, self.states()
        assert self.run("flock", "-n", "/var/lib/dpkg/lock-frontend", "true", check=False).code == 0


def loaded(start):
    """{link: result} of one start of the stand-in server."""
    return {name: result for name, (_, result) in start["loaded"].items()}
