"""Public addresses one to one, by the machine's own packet filter, in a network namespace of the test's."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from orchestrator.errors import BalancerError
from orchestrator.network.nat import OneToOne, ruleset, table_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
T = TypeVar("T")
TABLE = table_of("cafe0123")
_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of sched.h


def _check(code: int) -> None:
    if code != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def test_no_addresses_leave_no_table() -> None:
    [add, delete] = ruleset(TABLE, {})["nftables"]
    assert list(add) == ["add"]
    assert delete == {"delete": {"table": {"family": "inet", "name": TABLE}}}


class Namespace:
    """A thread in a network namespace of its own: nothing outside sees what is done there."""

    def __init__(self) -> None:
        self._jobs: list[Callable[[], Any]] = []

    def run(self, work: Callable[[], T]) -> T:
        results: list[T] = []
        failures: list[BaseException] = []

        def enter() -> None:
            try:
                _check(_LIBC.setns(self.fd, _NEW_NETWORK))
                results.append(work())
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]
        return results[0]

    def open(self) -> None:
        def enter() -> None:
            _check(_LIBC.unshare(_NEW_NETWORK))
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace()
    made.open()
    made.run(lambda: _command("ip", "link", "set", "lo", "up"))
    made.run(lambda: _command("ip", "address", "add", "10.99.0.1/32", "dev", "lo"))
    made.run(lambda: _command("ip", "address", "add", "10.99.0.2/32", "dev", "lo"))
    made.run(lambda: _command("ip", "route", "add", "local", "10.91.0.0/24", "dev", "lo"))
    yield made
    os.close(made.fd)


def _command(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def _apply(translation: OneToOne, addresses: dict[str, str]) -> None:
    asyncio.run(translation.apply(addresses))


def _talk(public: str, own: str) -> tuple[str, str]:
    """What a server at ``own`` sees of one that comes to ``public``: that it came, and from where."""
    with socket.socket() as server:
        server.bind((own, 0))
        server.listen()
        server.settimeout(5.0)
        with socket.create_connection((public, server.getsockname()[1]), timeout=5.0) as client:
            taken, peer = server.accept()
            with taken:
                return client.getpeername()[0], peer[0]


def test_what_comes_to_the_public_address_reaches_the_instance(namespace: Namespace) -> None:
    translation = OneToOne("cafe0123")
    namespace.run(lambda: _apply(translation, {"10.91.0.7": "10.99.0.1", "10.91.0.8": "10.99.0.2"}))
    assert namespace.run(lambda: _talk("10.91.0.7", "10.99.0.1"))[0] == "10.91.0.7"
    assert namespace.run(lambda: _talk("10.91.0.8", "10.99.0.2"))[0] == "10.91.0.8"


def test_another_mapping_takes_the_place_of_the_old_one_whole(namespace: Namespace) -> None:
    translation = OneToOne("cafe0123")
    namespace.run(lambda: _apply(translation, {"10.91.0.7": "10.99.0.1"}))
    namespace.run(lambda: _apply(translation, {"10.91.0.7": "10.99.0.2"}))
    assert namespace.run(lambda: _talk("10.91.0.7", "10.99.0.2"))[0] == "10.91.0.7"
    with pytest.raises(ConnectionRefusedError):
        namespace.run(lambda: _talk("10.91.0.7", "10.99.0.1"))
    namespace.run(lambda: _apply(OneToOne("cafe0123"), {}))
    assert TABLE not in namespace.run(lambda: _command("nft", "list", "tables"))


def test_what_an_instance_begins_comes_from_its_public_address(namespace: Namespace) -> None:
    namespace.run(lambda: _apply(OneToOne("cafe0123"), {"10.91.0.7": "10.99.0.1"}))

    def begin() -> str:
        with socket.socket() as server:
            server.bind(("10.99.0.2", 0))
            server.listen()
            server.settimeout(5.0)
            own = ("10.99.0.1", 0)
            with socket.create_connection(server.getsockname(), timeout=5.0, source_address=own):
                taken, peer = server.accept()
                taken.close()
                return str(peer[0])

    assert namespace.run(begin) == "10.91.0.7"


def test_between_instances_nothing_is_changed_but_by_a_public_address_the_answer_comes_back(
    namespace: Namespace,
) -> None:
    both = {"10.91.0.7": "10.99.0.1", "10.91.0.8": "10.99.0.2"}
    namespace.run(lambda: _apply(OneToOne("cafe0123", lambda: ("10.99.0.0/16", "10.99.0.0/24")), both))

    def peer_seen(target: str) -> str:
        with socket.socket() as server:
            server.bind(("10.99.0.2", 0))
            server.listen()
            server.settimeout(5.0)
            to = (target, server.getsockname()[1])
            with socket.create_connection(to, timeout=5.0, source_address=("10.99.0.1", 0)):
                taken, peer = server.accept()
                taken.close()
                return str(peer[0])

    assert namespace.run(lambda: peer_seen("10.99.0.2")) == "10.99.0.1"
    assert namespace.run(lambda: peer_seen("10.91.0.8")) == "10.91.0.7"


def test_what_others_wrote_is_left_alone_and_a_refusal_says_why(namespace: Namespace) -> None:
    namespace.run(lambda: _command("nft", "add", "table", "inet", "theirs"))
    namespace.run(lambda: _apply(OneToOne("cafe0123"), {"10.91.0.7": "10.99.0.1"}))
    listed = json.loads(namespace.run(lambda: _command("nft", "-j", "list", "tables")))["nftables"]
    assert {each["table"]["name"] for each in listed if "table" in each} == {"theirs", TABLE}
    with pytest.raises(BalancerError, match="refused") as caught:
        namespace.run(lambda: _apply(OneToOne("cafe0123"), {"nowhere": "10.99.0.1"}))
    assert caught.value.code == "AddressTranslationFailed"
    assert namespace.run(lambda: _talk("10.91.0.7", "10.99.0.1"))[0] == "10.91.0.7"
