"""The machine's own dnsmasq, on a port of loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import BalancerError
from orchestrator.model.network.names import Name
from orchestrator.network.names import NameServer

HERE = "127.0.0.1"
NO_SUCH_NAME, REFUSED = 3, 5
DEADLINE_S = 10.0


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path, port: int) -> Iterator[NameServer]:
    made = NameServer(tmp_path / "names", "zone.test", port)
    yield made
    asyncio.run(made.apply([], []))
    assert made.find() is None


def ask(port: int, name: str, kind: socket.AddressFamily = socket.AF_INET) -> tuple[int, list[str]]:
    """The answer's code and its addresses (RFC 1035, section 4)."""
    number = 1 if kind is socket.AF_INET else 28
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
    message = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + question + struct.pack(">2H", number, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5.0)
        client.sendto(message, (HERE, port))
        answer = client.recv(4096)
    flags, _, count = struct.unpack(">3H", answer[2:8])
    found, at = [], 12 + len(question) + 4
    for _ in range(count):
        length = struct.unpack(">H", answer[at + 10 : at + 12])[0]  # the name is a pointer of two octets
        found.append(socket.inet_ntop(kind, answer[at + 12 : at + 12 + length]))
        at += 12 + length
    return flags & 0xF, sorted(found)


def becomes(port: int, name: str, wanted: list[str]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (found := ask(port, name)[1]) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


def test_names_have_all_their_addresses_and_others_of_the_zone_do_not_exist(server: NameServer, port: int) -> None:
    known = [
        Name("web.rg.zone.test", "10.90.1.2"),
        Name("web.rg.zone.test", "10.90.1.1"),
        Name("six.zone.test", "fd91::1"),
    ]
    asyncio.run(server.apply(known, [HERE]))
    assert ask(port, "web.rg.zone.test") == (0, ["10.90.1.1", "10.90.1.2"])
    assert ask(port, "six.zone.test", socket.AF_INET6) == (0, ["fd91::1"])
    assert ask(port, "nobody.zone.test") == (NO_SUCH_NAME, [])
    assert ask(port, "elsewhere.example")[0] == REFUSED


def test_a_changed_name_is_answered_by_the_same_process(server: NameServer, port: int) -> None:
    asyncio.run(server.apply([Name("a.zone.test", "10.90.1.1")], [HERE]))
    first = server.find()
    asyncio.run(server.apply([Name("a.zone.test", "10.90.1.9")], [HERE]))
    becomes(port, "a.zone.test", ["10.90.1.9"])
    assert first is not None
    assert server.find() == first


def test_another_daemon_finds_it_again_and_one_that_died_is_started_anew(
    server: NameServer, port: int, tmp_path: Path
) -> None:
    known = [Name("a.zone.test", "10.90.1.1")]
    asyncio.run(server.apply(known, [HERE]))
    running = server.find()
    assert running is not None
    again = NameServer(tmp_path / "names", "zone.test", port)
    asyncio.run(again.apply(known, [HERE]))
    assert again.find() == running
    running.kill()
    with contextlib.suppress(Exception):
        running.wait(5)
    asyncio.run(again.apply(known, [HERE]))
    assert ask(port, "a.zone.test") == (0, ["10.90.1.1"])
    assert again.find() != running


def test_a_process_that_is_not_ours_is_left_alone(server: NameServer, tmp_path: Path) -> None:
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "dnsmasq.pid").write_text("1\n")
    assert server.find() is None
    asyncio.run(server.apply([], []))


def test_another_address_to_listen_at_takes_a_new_process(server: NameServer, port: int) -> None:
    known = [Name("a.zone.test", "10.90.1.1")]
    asyncio.run(server.apply(known, [HERE]))
    first = server.find()
    asyncio.run(server.apply(known, [HERE, "::1"]))
    assert server.find() not in {first, None}
    assert ask(port, "a.zone.test") == (0, ["10.90.1.1"])


def test_a_machine_without_it_is_told_what_to_install(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.network.names.shutil.which", lambda *_args, **_more: None)
    with pytest.raises(BalancerError, match="dnsmasq-base") as caught:
        asyncio.run(server.apply([], [HERE]))
    assert caught.value.code == "NameServerUnavailable"
    monkeypatch.undo()
