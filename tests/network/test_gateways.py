"""The gateways of subnets, held on an interface in a network namespace of the test's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute
from test_one_to_one import Namespace, namespace  # noqa: F401

from orchestrator.errors import BalancerError
from orchestrator.network.gateways import Gateways

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
FOUR, SIX, MORE = ("seg", "10.20.0.1", 24), ("seg", "fd20::1", 64), ("seg", "10.20.1.1", 24)


@pytest.fixture
def segment(namespace: Namespace) -> Iterator[Namespace]:  # noqa: F811
    def make() -> None:
        with IPRoute() as ip:
            ip.link("add", ifname="seg", kind="bridge")
            ip.link("set", index=ip.link_lookup(ifname="seg")[0], state="up")

    namespace.run(make)
    yield namespace


def present() -> set[tuple[str, int]]:
    with IPRoute() as ip:
        index = ip.link_lookup(ifname="seg")[0]
        found = {(each.get_attr("IFA_ADDRESS"), each["prefixlen"]) for each in ip.get_addr(index=index)}
        return {each for each in found if not each[0].startswith("fe80")}


def hold(namespace: Namespace, record: Path, *wanted: tuple[str, str, int]) -> set[tuple[str, int]]:  # noqa: F811
    def apply() -> set[tuple[str, int]]:
        asyncio.run(Gateways(record).apply(frozenset(wanted)))
        return present()

    return namespace.run(apply)


def test_gateways_are_held_again_and_again_and_go_when_they_are_wanted_no_more(
    segment: Namespace, tmp_path: Path
) -> None:
    record = tmp_path / "gateways.json"
    for _ in range(2):
        assert hold(segment, record, FOUR, SIX) == {FOUR[1:], SIX[1:]}
    assert hold(segment, record, SIX, MORE) == {SIX[1:], MORE[1:]}
    assert hold(segment, record) == set()


def test_what_somebody_else_put_there_is_never_taken_away(segment: Namespace, tmp_path: Path) -> None:
    def add() -> None:
        with IPRoute() as ip:
            ip.addr("add", index=ip.link_lookup(ifname="seg")[0], address=FOUR[1], prefixlen=FOUR[2])

    segment.run(add)
    record = tmp_path / "gateways.json"
    assert hold(segment, record, FOUR, MORE) == {FOUR[1:], MORE[1:]}
    assert hold(segment, record) == {FOUR[1:]}


def test_packets_that_come_in_there_are_passed_on(segment: Namespace, tmp_path: Path) -> None:
    hold(segment, tmp_path / "gateways.json", FOUR)
    assert segment.run(lambda: Path("/proc/sys/net/ipv4/conf/seg/forwarding").read_text()) == "1\n"


def test_an_interface_that_is_not_there_is_named(segment: Namespace, tmp_path: Path) -> None:
    def apply() -> None:
        asyncio.run(Gateways(tmp_path / "record").apply(frozenset({("gone", "10.20.0.1", 24)})))

    with pytest.raises(BalancerError, match="gone"):
        segment.run(apply)
