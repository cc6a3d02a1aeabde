"""A stand-in for a guest: a real SSH server on a loopback port, in a root folder and namespaces of its own.

Two kinds, as the two images have them: ``dropbear`` with busybox and nothing else, ``openssh`` with Debian's
programs. The root folder is the guest's disk: it outlives ``stop`` (pulling the plug: every process dies) and
``start``. The network is the test machine's loopback.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from orchestrator.guest.port import GuestAddress
from orchestrator.guest.seed import make_host_key

Kind = Literal["dropbear", "openssh"]

# $1 root folder, $2 programs to hide (a comma list), the rest: the server's command
_ENTER = """
set -eu
root=$1 hidden=$2
shift 2
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/run/sshd"
if [ -d "$root/usr/share" ]; then
    mount --bind -o ro /usr "$root/usr"
    IFS=,
    for program in $hidden; do mount --bind /dev/null "$root/usr/bin/$program"; done
fi
exec chroot "$root" "$@"
"""


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class StandInGuest:
    """Make with ``make``; ``close`` at the end. ``root`` is its root folder as seen from here."""

    kind: Kind
    root: Path
    key: str
    host_key_private: str
    host_key_public: str
    hidden: tuple[str, ...] = ()
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, kind: Kind, folder: Path, login_key_line: str, hidden: tuple[str, ...] = ()) -> StandInGuest:
        private, public = make_host_key()
        guest = cls(kind, folder, folder.name, private, public, hidden)
        guest._lay_out(login_key_line)
        guest.start()
        return guest

    @property
    def address(self) -> GuestAddress:
        return GuestAddress(self.key, "127.0.0.1", "root", self.host_key_public, vm_uuid=self.key)

    def start(self) -> None:
        command = self._dropbear() if self.kind == "dropbear" else self._openssh()
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        self.process = subprocess.Popen(
            [*unshare, "sh", "-c", _ENTER, "enter", str(self.root), ",".join(self.hidden), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._has_banner():
            assert self.process.poll() is None and time.monotonic() < deadline, "the SSH server did not come up"
            time.sleep(0.02)

    def stop(self) -> None:
        """Pull the plug: the namespace's first process dies, and with it all others."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def file(self, path: str) -> Path:
        return self.root / path.removeprefix("/")

    def processes(self) -> list[int]:
        """The ids, as seen from here, of all that runs in the guest."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended, or is not ours to look at
                if (folder / "root").readlink() == self.root:
                    found.append(int(folder.name))
        return found

    def process_files(self, name: str) -> list[str]:
        """The file of this name below /proc of each of them: ``cmdline``, ``environ``."""
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/{name}").read_bytes()
                found.append(line.replace(b"\0", b" ").decode(errors="replace"))
        return found

    def _has_banner(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                return sock.recv(4) == b"SSH-"
        except OSError:
            return False

    def _lay_out(self, login_key_line: str) -> None:
        for name in ("proc", "dev", "run", "etc", "root/.ssh", "var/lib", "tmp"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        shell = "/bin/bash" if self.kind == "openssh" else "/bin/sh"
        self.file("etc/passwd").write_text(
            f"root:x:0:0:root:/root:{shell}\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
        )
        self.file("etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
        self.file("etc/shells").write_text("/bin/sh\n/bin/bash\n")
        self.file("etc/hosts").write_text("127.0.0.1 localhost\n")
        self.file("root/.ssh/authorized_keys").write_text(login_key_line + "\n")
        self.file("etc/host_key").write_text(self.host_key_private)
        for path in ("root", "root/.ssh", "root/.ssh/authorized_keys", "etc/host_key"):
            self.file(path).chmod(0o700 if self.file(path).is_dir() else 0o600)
        if self.kind == "dropbear":
            self._lay_out_busybox()
        else:
            self._lay_out_debian()

    def _lay_out_busybox(self) -> None:
        for name in ("bin", "usr/bin", "usr/sbin", "sbin", "lib64"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        busybox, dropbear = (Path(str(shutil.which(name))) for name in ("busybox", "dropbear"))
        shutil.copy(busybox, self.file("bin/busybox"))
        for applet in subprocess.run(
            [busybox, "--list"], capture_output=True, text=True, check=True
        ).stdout.split():
            if applet != "busybox":
                self.file(f"bin/{applet}").symlink_to("busybox")
        shutil.copy(dropbear, self.file("usr/sbin/dropbear"))
        for word in subprocess.run(["ldd", dropbear], capture_output=True, text=True, check=True).stdout.split():
            if word.startswith("/"):
                self.file(word).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(word, self.file(word))
        keys = [str(self.file("etc/host_key")), str(self.file("etc/dropbear_key"))]
        subprocess.run(["dropbearconvert", "openssh", "dropbear", *keys], capture_output=True, check=True)

    def _lay_out_debian(self) -> None:
        (self.root / "usr/share").mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.root / name).symlink_to(f"usr/{name}")

    def _dropbear(self) -> list[str]:
        listen = ["-p", f"127.0.0.1:{self.port}", "-r", "/etc/dropbear_key"]
        return ["/usr/sbin/dropbear", "-F", "-E", "-s", *listen]

    def _openssh(self) -> list[str]:
        options = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": "/etc/host_key",
            "AuthorizedKeysFile": "/root/.ssh/authorized_keys",
            "PasswordAuthentication": "no",
            "UsePAM": "no",
            "PidFile": "none",
        }
        return [
            "/usr/sbin/sshd",
            "-D",
            "-e",
            "-f",
            "/dev/null",
            *(f"-o{name}={to}" for name, to in options.items()),
        ]
