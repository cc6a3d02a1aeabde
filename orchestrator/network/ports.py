"""Whether somebody listens at a port of this machine already: seen by trying."""

from __future__ import annotations

import errno
import socket
import threading

from pyroute2 import netns


def is_taken(address: str, port: int, namespace_fd: int | None = None) -> bool:
    """For TCP; in the network namespace that ``namespace_fd`` is open on, or else in the caller's own. An address
    that is not here, or a port that may not be had, is not taken."""
    if namespace_fd is None:
        return _is_taken(address, port)
    found: list[bool] = []

    def ask() -> None:
        netns.setns(namespace_fd)  # of this thread alone, which ends here
        found.append(_is_taken(address, port))

    thread = threading.Thread(target=ask, name="look at a port")
    thread.start()
    thread.join()
    return any(found)


def _is_taken(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what only lingers is free
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
