"""Where the daemon listens: a flag, the environment, the default socket, or the one lab that is up."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import BadInput

DEFAULT_SOCKET = Path("/run/vmss/vmssd.sock")
LABS_DIR = Path("/var/lib/vmss/labs")
_CONNECT_TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to reach the daemon: by ``socket_path`` when set, else over TCP at ``base_url``.

    ``why`` says what chose it, for ``--verbose`` and for the error when nothing answers there. ``credentials`` is a
    file like the daemon's ``owner.json``: a port asks who comes.
    """

    base_url: str
    socket_path: Path | None
    why: str
    credentials: Path | None = None

    def __str__(self) -> str:
        return str(self.socket_path or self.base_url)


def find_endpoint(
    socket_flag: str | None,
    endpoint_flag: str | None,
    environment: Mapping[str, str],
    *,
    default_socket: Path = DEFAULT_SOCKET,
    labs_dir: Path = LABS_DIR,
) -> Endpoint:
    """Flags win over the environment, the environment over what is found. Raises ``BadInput`` when two
    flags contradict each other or more than one lab is up."""
    if socket_flag and endpoint_flag:
        raise BadInput("--socket and --endpoint exclude each other")
    if socket_flag:
        return _by_socket(Path(socket_flag), "--socket")
    if endpoint_flag:
        return _by_url(endpoint_flag, "--endpoint", environment)
    if value := environment.get("VMSS_ENDPOINT"):
        return _by_url(value, "VMSS_ENDPOINT", environment)
    if value := environment.get("VMSS_SOCKET"):
        return _by_socket(Path(value), "VMSS_SOCKET")
    return _found(default_socket, labs_dir)


def _found(default_socket: Path, labs_dir: Path) -> Endpoint:
    if _answers(default_socket):
        return _by_socket(default_socket, "the default")
    up = [path for path in sorted(labs_dir.glob("*/vmssd.sock")) if _answers(path)]
    if len(up) > 1:
        names = ", ".join(path.parent.name for path in up)
        raise BadInput(f"several labs are up ({names}): choose one with --socket {up[0]} or VMSS_SOCKET")
    if up:
        return _by_socket(up[0], f"the lab {up[0].parent.name}")
    return _by_socket(default_socket, "the default")


def _answers(path: Path) -> bool:
    """A socket file outlives a killed daemon, so only a connection proves that one is there."""
    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except PermissionError:
            return True  # it is there; the real request says so with a clear error
        except OSError:
            return False
    return True


def _by_socket(path: Path, why: str) -> Endpoint:
    return Endpoint("http://vmssd", path, why)


def _by_url(url: str, why: str, environment: Mapping[str, str]) -> Endpoint:
    if not url.startswith(("http://", "https://")):
        raise BadInput(f"{why}: not an http(s) URL: {url}")
    credentials = environment.get("VMSS_CREDENTIALS")
    return Endpoint(url.rstrip("/"), None, why, Path(credentials) if credentials else None)
