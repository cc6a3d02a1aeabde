"""A guest started by plain QEMU, without libvirt: to try images by themselves.

Its card is QEMU's own user network: the guest sees 10.0.2.0/24, nothing outside it can be reached, and its ports
80 and 22 are given to this machine's loopback.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import paramiko

from orchestrator.guest.seed import SeedCard, SeedIdentity, build_seed, make_host_key
from orchestrator.model.guest import ImageFiles

Answer = TypeVar("Answer")

#: Log in by (port on loopback, user, the host key it must show).
Login = Callable[[int, str, str], paramiko.SSHClient]

ADDRESS, GATEWAY, MAC = "10.0.2.15", "10.0.2.2", "52:54:00:12:34:56"


def wait_for(ask: Callable[[], Answer | None], timeout_s: float, what: str, every_s: float = 0.05) -> Answer:
    """Ask until there is an answer; fails the test at the deadline."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        answer = ask()
        if answer is not None:
            return answer
        time.sleep(every_s)
    raise AssertionError(f"no {what} within {timeout_s} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def banner(port: int) -> bytes | None:
    """The first bytes that a server on loopback says by itself; ``None`` while it says nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as link:
            return link.recv(64) or None
    except OSError:
        return None


def said(client: paramiko.SSHClient, command: str, given: bytes = b"", timeout_s: float = 60) -> str:
    """The standard output of a command that must succeed."""
    stdin, output, errors = client.exec_command(command, timeout=timeout_s)
    stdin.write(given)
    stdin.channel.shutdown_write()
    text = output.read().decode()
    assert output.channel.recv_exit_status() == 0, f"{command}: {errors.read().decode()}"
    return text.strip()


class DirectGuest:
    """One guest on an overlay of the image, in ``folder``; started again it is the same guest."""

    def __init__(self, folder: Path, image: ImageFiles, identity: SeedIdentity, memory_mib: int = 96) -> None:
        self.folder, self.image, self.memory_mib = folder, image, memory_mib
        self.console_log = folder / "console.log"
        self.ssh_port, self.http_port = free_port(), free_port()
        (folder / "seed.iso").write_bytes(build_seed(identity))
        self._process: subprocess.Popen[bytes] | None = None
        self.overlay(disk_gib=None)

    def overlay(self, disk_gib: int | None) -> None:
        """A new, empty disk on top of the image."""
        size = [f"{disk_gib}G"] if disk_gib else []
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", self.image.disk_path]
        subprocess.run([*command, str(self.folder / "disk.qcow2"), *size], check=True)

    def start(self) -> None:
        forwards = f"hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22,hostfwd=tcp:127.0.0.1:{self.http_port}-:80"
        command = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "pc", "-accel", "tcg,tb-size=64", "-m", str(self.memory_mib),
            "-kernel", str(self.image.kernel_path), "-initrd", str(self.image.initrd_path),
            "-append", self.image.kernel_cmdline,
            "-drive", f"file={self.folder / 'disk.qcow2'},format=qcow2,if=virtio,cache=unsafe",
            "-drive", f"file={self.folder / 'seed.iso'},format=raw,if=virtio,readonly=on",
            "-netdev", f"user,id=net0,restrict=on,{forwards}",
            "-device", f"virtio-net-pci,netdev=net0,mac={MAC},romfile=",
            "-device", "virtio-rng-pci",
            "-serial", f"file:{self.console_log}", "-monitor", "stdio",
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def press_power_button(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(b"system_powerdown\n")
        self._process.stdin.flush()

    def wait_off(self, timeout_s: float) -> None:
        assert self._process is not None
        self._process.wait(timeout_s)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    @property
    def console(self) -> str:
        return self.console_log.read_text(errors="replace") if self.console_log.exists() else ""

    def __enter__(self) -> DirectGuest:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def an_identity(agent_public_key: str, host_key: tuple[str, str] | None = None, **changes: object) -> SeedIdentity:
    """A guest on QEMU's user network."""
    private, public = host_key or make_host_key()
    values: dict[str, object] = {
        "instance_uid": "11111111-2222-3333-4444-555555555555",
        "generation": 1,
        "host_name": "web000007",
        "admin_username": "azureuser",
        "admin_keys": (agent_public_key,),
        "agent_public_key": agent_public_key,
        "host_key_private": private,
        "host_key_public": public,
        "cards": (SeedCard(MAC, (f"{ADDRESS}/24",), ("10.0.2.3",)),),
        "gateways": (GATEWAY,),
        "vm_uuid": "9d1c9a52-9be9-5e0c-8bd1-cf1f20a4a7a5",
        "random_seed": bytes(range(32)),
        "custom_data": None,
    }
    return SeedIdentity(**(values | changes))  # type: ignore[arg-type]
