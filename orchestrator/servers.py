"""The daemon's doors: the Unix socket, plain HTTP on loopback, HTTPS. One application behind all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
import uvicorn
from starlette.types import ASGIApp

from orchestrator.api.identity.gate import from_unix_socket
from orchestrator.config import Config, address_and_port, listen_address
from orchestrator.errors import VmssError
from orchestrator.tls import Certificates

log = structlog.get_logger()

STOP_WITHIN_S = 10
_RENEWAL_EVERY_S = 3600.0  # asked so often; it happens once a year
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Listeners:
    """Listening sockets. ``None``: not configured."""

    local: socket.socket
    plain: socket.socket | None = None
    https: socket.socket | None = None


def open_listeners(config: Config) -> Listeners:
    """The Unix socket (mode 0600), and the ports that are asked for. Made before the network namespace is entered:
    a listening socket keeps the one in which it was made. Raises ``VmssError`` that names the setting of a port
    that cannot be had."""
    plain = https = None
    if config.listen:
        plain = _listen(*listen_address(config.listen), "listen")
    if config.https_listen:
        https = _listen(*address_and_port(config.https_listen, "https_listen"), "https_listen")
    return Listeners(_open_local(config), plain, https)


def _open_local(config: Config) -> socket.socket:
    config.socket.parent.mkdir(parents=True, exist_ok=True)
    config.socket.unlink(missing_ok=True)
    local = socket.socket(socket.AF_UNIX)
    old_mask = os.umask(0o177)
    try:
        local.bind(str(config.socket))
    finally:
        os.umask(old_mask)
    local.listen(_BACKLOG)
    local.setblocking(False)
    return local


def _listen(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        words = f"'{setting}' cannot be had: {host} port {port}: {error.strerror}."
        raise VmssError(f"{words} Choose another port in the configuration, or null.", code="PortTaken") from error
    # Head and body of an answer are two writes: the second must not wait for the client's delayed ACK of the first.
    # Accepted sockets inherit this. (asyncio sets it by itself only on sockets that it made.)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setblocking(False)
    return made


class Servers:
    """One uvicorn for each sort of door, since each knows something of its own about who comes."""

    def __init__(self, app: ASGIApp, listeners: Listeners, certificates: Certificates) -> None:
        self._certificates = certificates
        self._context: ssl.SSLContext | None = None
        self._doors: list[tuple[_Server, socket.socket]] = [
            (_Server(_settings(from_unix_socket(app))), listeners.local)
        ]
        if listeners.plain is not None:
            self._doors.append((_Server(_settings(app)), listeners.plain))
        if listeners.https is not None:
            self._context = certificates.server_context()
            self._doors.append((_Server(_settings(app, self._context)), listeners.https))

    def ask_to_stop(self) -> None:
        for server, _ in self._doors:
            server.should_exit = True

    async def serve(self) -> None:
        """Until ``ask_to_stop``; requests in hand are finished. A door that fails ends the others, too."""
        renewal = asyncio.create_task(self._renew(), name="renewal of the certificate")
        try:
            async with asyncio.TaskGroup() as group:
                for server, listener in self._doors:
                    group.create_task(server.serve(sockets=[listener]))
        finally:
            renewal.cancel()

    async def _renew(self) -> None:
        while self._context is not None:
            await asyncio.sleep(_RENEWAL_EVERY_S)
            try:
                self._certificates.renew(self._context)
            except (OSError, VmssError):
                log.exception("the certificate of the HTTPS port could not be renewed; it is tried again")


def _settings(app: ASGIApp, context: ssl.SSLContext | None = None) -> uvicorn.Config:
    """No headers of proxies are believed: they could claim TLS where there is none."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        ssl_context_factory=None if context is None else lambda _config, _default: context,
    )


class _Server(uvicorn.Server):
    """uvicorn, with our own signal handlers: the daemon ends after the server, not with it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
