"""Which port a lab's daemon takes for HTTPS: it is a port of the whole machine, and several labs can be up."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab import record
from orchestrator.lab.host import Say

DEFAULT = "127.0.0.1:8443"
OFF = "off"


def check(text: str) -> str | None:
    """``ADDRESS:PORT`` as it is, ``off`` as ``None``. Raises ``LabError`` for anything else."""
    if text == OFF:
        return None
    host, _, port = text.rpartition(":")
    with suppress(ValueError):
        ipaddress.ip_address(host.strip("[]"))
        if re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535:
            return text
    raise LabError(f"'{text}' is nothing to serve HTTPS on; say ADDRESS:PORT, or {OFF}")


def choose(root: Path, name: str, say: Say) -> str | None:
    """For a new lab of whom nobody said: the default, unless another lab has it, or any program."""
    for path in sorted(root.glob("*/lab.json")):
        with suppress(LabError):
            other = record.load(path)
            if other is not None and other.name != name and other.https == DEFAULT:
                say(f"https: {DEFAULT} is lab '{other.name}''s; '--https ADDRESS:PORT' gives this one a port")
                return None
    if _is_free():
        return DEFAULT
    say(f"https: {DEFAULT} is taken by another program; '--https ADDRESS:PORT' gives this lab a port")
    return None


def _is_free() -> bool:
    host, _, port = DEFAULT.rpartition(":")
    try:
        socket.create_server((host, int(port))).close()
    except OSError:
        return False
    return True
