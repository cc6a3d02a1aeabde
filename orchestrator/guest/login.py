"""Making a connection to a guest: TCP, the SSH key exchange, the check of the pinned host key, the login."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import ipaddress
import logging
import os
import socket

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from orchestrator.errors import GuestUnreachable, HostKeyMismatch
from orchestrator.guest.port import GuestAddress

CONNECT_TIMEOUT_S = 10.0
LOGIN_TIMEOUT_S = 30.0
_LOG_CHANNEL = "vmss.paramiko"
_KEX = ("curve25519-sha256@libssh.org",)
_CIPHERS = ("aes128-ctr", "aes256-ctr")
_DIGESTS = ("hmac-sha2-256",)
_KEY_TYPES = ("ssh-ed25519",)
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)

# paramiko tells its logger of every lost connection; we tell our callers, once, as an error.
logging.getLogger(_LOG_CHANNEL).setLevel(logging.CRITICAL + 1)


async def connect(address: str, port: int, timeout_s: float) -> socket.socket:
    """A TCP connection to an IP address (never a name: nothing is looked up). Raises ``GuestUnreachable``."""
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except OSError as error:  # TimeoutError is one
        sock.close()
        raise GuestUnreachable(f"no connection to {address} port {port}: {words_of(error)}") from None
    except BaseException:
        sock.close()
        raise
    return sock


async def connect_to_ssh(guest: GuestAddress, port: int) -> socket.socket:
    """A TCP connection on which the SSH server has begun to speak. Raises ``GuestUnreachable``."""
    sock = await connect(guest.address, port, CONNECT_TIMEOUT_S)
    try:
        for level, option, value in _KEEPALIVE:
            sock.setsockopt(level, option, value)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await _wait_readable(sock)
    except TimeoutError:
        sock.close()
        raise GuestUnreachable(f"{guest.key}: connected, but its SSH server says nothing") from None
    except BaseException:
        sock.close()
        raise
    return sock


async def _wait_readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(sock, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(sock)


def log_in(sock: socket.socket, guest: GuestAddress, key: paramiko.PKey) -> paramiko.Transport:
    """Key exchange, host key check, login. Blocks; closes the socket when it fails."""
    transport = paramiko.Transport(sock)
    transport.set_log_channel(_LOG_CHANNEL)
    options = transport.get_security_options()
    options.kex, options.ciphers, options.digests, options.key_types = _KEX, _CIPHERS, _DIGESTS, _KEY_TYPES
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = LOGIN_TIMEOUT_S
    try:
        pinned = _key_blob(guest)
        transport.start_client(timeout=LOGIN_TIMEOUT_S)
        if transport.get_remote_server_key().asbytes() != pinned:
            raise HostKeyMismatch(
                f"{guest.key}: the SSH server at {guest.address} shows a host key that is not its own"
            )
        transport.auth_publickey(guest.login_user, key)
    except BaseException as error:
        shut(transport, sock)
        raise _login_error(guest, error) from None
    sock.settimeout(None)  # see [What is cheap for an emulated guest]
    return transport


def _login_error(guest: GuestAddress, error: BaseException) -> BaseException:
    match error:
        case IncompatiblePeer():
            return HostKeyMismatch(f"{guest.key}: at {guest.address} is not its own SSH server: {error}")
        case paramiko.AuthenticationException():
            # Worth another try: while a guest boots, its server may be up before the user's keys are.
            return GuestUnreachable(f"{guest.key}: does not accept the daemon's key for {guest.login_user}")
        case paramiko.SSHException() | OSError() | EOFError():
            return GuestUnreachable(f"{guest.key}: no SSH login: {words_of(error)}")
    return error


def _key_blob(guest: GuestAddress) -> bytes:
    try:
        return base64.b64decode(guest.host_key_public.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise HostKeyMismatch(f"{guest.key}: its pinned host key is not one in OpenSSH's format") from None


def shut(transport: paramiko.Transport, sock: socket.socket) -> None:
    """End a connection at once. Shutting down first wakes paramiko's thread, which sleeps in ``recv``."""
    wake(sock)
    transport.close()
    sock.close()


def wake(sock: socket.socket) -> None:
    """Make whoever reads from or writes to this socket, in whatever thread, come back with an error."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def words_of(error: BaseException) -> str:
    """What went wrong, for people."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)  # asyncio puts the address into its own words
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
