"""Telling by the banner alone whether a guest is up, and what is said of guests that are not."""

from __future__ import annotations

import asyncio
import io
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import paramiko
import pytest

from orchestrator.errors import GuestUnreachable, HostKeyMismatch
from orchestrator.guest.port import GuestAddress, ScriptRequest
from orchestrator.guest.seed import make_host_key
from orchestrator.guest.ssh import SshGuests
from orchestrator.model.health import Health, ProbeSettings
from tests.unit.guest.talking_server import talking

GUEST = GuestAddress("web_0", "127.0.0.1", "root", make_host_key()[1], "uuid")
KEY = paramiko.Ed25519Key.from_private_key(io.StringIO(make_host_key()[0]))


def with_server(said: bytes, act: Callable[[SshGuests], Awaitable[None]], *, is_closing: bool = False) -> None:
    """Act on guests whose SSH server says this and nothing else."""

    async def story() -> None:
        async with talking(said, is_closing=is_closing) as port:
            guests = SshGuests(KEY, port=port)
            try:
                await act(guests)
            finally:
                await guests.close()

    asyncio.run(story())


@pytest.mark.parametrize("said", [b"SSH-2.0-dropbear\r\n", b"Welcome.\r\nSSH-2.0-x\r\n"])
def test_a_guest_that_shows_a_banner_is_up(said: bytes) -> None:
    async def act(guests: SshGuests) -> None:
        assert await guests.is_answering(GUEST)

    with_server(said, act)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 100_000])
def test_a_guest_that_shows_something_else_is_not_up(said: bytes) -> None:
    async def act(guests: SshGuests) -> None:
        assert not await guests.is_answering(GUEST)

    with_server(said, act)


def test_a_guest_that_accepts_and_is_silent_is_not_up_after_two_seconds() -> None:
    async def act(guests: SshGuests) -> None:
        started = time.monotonic()
        assert not await guests.is_answering(GUEST)
        assert 1.5 < time.monotonic() - started < 4

    with_server(b"", act)


def test_a_guest_that_is_off_is_unreachable_and_not_up() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))

        async def story() -> None:
            guests = SshGuests(KEY, port=unused.getsockname()[1])
            assert not await guests.is_answering(GUEST)
            with pytest.raises(GuestUnreachable, match="Connection refused") as caught:
                await guests.run_script(GUEST, ScriptRequest("cse", 0, command="true"))
            assert caught.value.is_retryable
            settings = ProbeSettings("http", 80, timeout_s=2)
            assert (await guests.probe(GUEST, settings, "inside")).health is Health.UNHEALTHY
            await guests.close()

        asyncio.run(story())


def test_a_silent_ssh_server_costs_a_probe_no_more_than_its_deadline() -> None:
    async def act(guests: SshGuests) -> None:
        started = time.monotonic()
        result = await guests.probe(GUEST, ProbeSettings("http", 80, timeout_s=0.5), "inside")
        assert (result.health, result.detail) == (Health.UNHEALTHY, "no answer within 0.5 s")
        assert time.monotonic() - started < 3

    with_server(b"", act)


def test_a_server_that_is_not_ssh_is_unreachable() -> None:
    async def act(guests: SshGuests) -> None:
        with pytest.raises(GuestUnreachable):
            await guests.run_script(GUEST, ScriptRequest("cse", 0, command="true"))

    with_server(b"HTTP/1.1 400 Bad Request\r\n\r\n", act, is_closing=True)


@pytest.mark.parametrize("pinned", ["", "ssh-ed25519", "ssh-ed25519 %%%"])
def test_a_pinned_key_that_cannot_be_read_is_never_taken_for_any_key(pinned: str) -> None:
    async def act(guests: SshGuests) -> None:
        with pytest.raises(HostKeyMismatch):
            await guests.run_script(replace(GUEST, host_key_public=pinned), ScriptRequest("cse", 0, command="true"))

    with_server(b"SSH-2.0-x\r\n", act)


def test_after_closing_nothing_is_begun() -> None:
    async def act(guests: SshGuests) -> None:
        await guests.close()
        with pytest.raises(GuestUnreachable):
            await guests.run_script(GUEST, ScriptRequest("cse", 0, command="true"))

    with_server(b"SSH-2.0-x\r\n", act)


def test_a_guest_forgotten_while_it_is_connected_to_is_given_up() -> None:
    async def act(guests: SshGuests) -> None:
        waiting = [
            asyncio.create_task(guests.run_script(GUEST, ScriptRequest("cse", n, command="true"))) for n in range(2)
        ]
        await asyncio.sleep(0)
        await guests.forget(GUEST.key)
        for task in waiting:
            with pytest.raises(GuestUnreachable):
                await task

    with_server(b"SSH-2.0-x\r\n", act, is_closing=True)
