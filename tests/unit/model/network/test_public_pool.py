"""Public addresses: which is next, what stands for it on the machine, and what the file may say of them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.config import Config
from orchestrator.errors import BadInput
from orchestrator.model.network.public_pool import PublicPool, PublicRange

POOL = PublicPool((PublicRange("10.91.0.0/29", "127.91.0.0/29"), PublicRange("fd91::/112")))


def test_the_lowest_free_one_is_next_and_first_and_last_are_never_given() -> None:
    assert POOL.take(9, "IPv4", {"10.91.0.2"}) == [f"10.91.0.{n}" for n in (1, 3, 4, 5, 6)]
    assert POOL.take(2, "IPv6", set()) == ["fd91::1", "fd91::2"]


def test_none_left_is_said_with_the_range() -> None:
    with pytest.raises(BadInput, match=r"10\.91\.0\.0/29") as caught:
        POOL.take_one("IPv4", {f"10.91.0.{n}" for n in range(8)})
    assert caught.value.code == "PublicIPCountLimitReached"


def test_the_machines_address_for_one_is_at_the_same_place_of_its_range() -> None:
    assert POOL.machine_address("10.91.0.5") == "127.91.0.5"
    assert POOL.machine_address("fd91::5") is None
    assert POOL.machine_address("192.0.2.1") is None


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ([{"cidr": "10.90.5.0/24"}], "overlaps 10.90.0.0/16"),
        ([{"cidr": "10.91.0.0/24"}, {"cidr": "10.91.0.128/25"}], "overlaps 10.91.0.0/24"),
        ([{"cidr": "10.91.0.1/24"}], "host bits"),
        ([{"cidr": "10.91.0.0/24", "publish_on": "127.91.0.0/25"}], "same length"),
        ([{"cidr": "fd91::/112", "publish_on": "127.91.0.0/24"}], "for IPv4"),
        ([{"cidr": "10.91.0.0/24", "publish_on": "127.0.0.0/24"}], "without 127.0.0.1"),
        ([{"cidr": "10.91.0.0/24", "publish_on": "10.92.0.0/24"}], "loopback"),
        ([{"cidr": "10.91.0.0/24", "publishes": True}], "Extra inputs"),
    ],
)
def test_a_range_that_does_not_fit_is_refused(sections: list[dict[str, Any]], words: str) -> None:
    network = {"cidr": "10.90.0.0/16", "first": "10.90.1.0", "last": "10.90.1.9"}
    with pytest.raises(ValidationError, match=words):
        Config.model_validate({"networks": [network], "public_addresses": sections})


def test_the_pool_of_a_file_has_its_ranges_in_order() -> None:
    sections = [{"cidr": "10.91.0.0/24", "publish_on": "127.91.0.0/24"}, {"cidr": "fd91::/112"}]
    pool = Config.model_validate({"public_addresses": sections}).public_pool()
    assert pool.prefixes == ("10.91.0.0/24", "fd91::/112")
    assert not Config().public_pool()


def test_names_are_asked_for_at_addresses_only() -> None:
    assert Config.model_validate({"dns_listen": ["10.90.0.1", "fd91::1"]}).dns_listen == ("10.90.0.1", "fd91::1")
    with pytest.raises(ValidationError, match="resolver"):
        Config.model_validate({"dns_listen": ["resolver"]})
