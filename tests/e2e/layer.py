# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tree that is laid over an image for all machines that boot from it."""


APT = """\
APT::Get::Assume-Yes "true";
APT::Install-Recommends "false";
Dpkg::Use-Pty "false";
Acquire::Languages "none";
#clear DPkg::Pre-Install-Pkgs;
"""


class Layer:
    """layer: its path."""

    def write(self, name, text, mode=0o644):
        path = self.layer / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def open_directories(self):
        """For everybody, whatever the umask was."""
        for path in self.layer.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)

    def set_apt_up(self):
        self.write("etc/apt/sources.list", "deb [trusted=yes] file:/srv/repo ./\n")
        self.write("etc/apt/apt.conf.d/90kit", APT)
