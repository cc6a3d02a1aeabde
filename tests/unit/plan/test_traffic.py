"""What the balancer is told of resources and instances."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.model.network.load_balancers import SHAPE
from orchestrator.model.network.traffic import Check, MemberState, Side, Stickiness, Traffic
from orchestrator.model.resource_id import parse_resource_id
from orchestrator.plan.inputs import Sight
from orchestrator.plan.traffic import (
    Place,
    Rotation,
    balancer_traffic,
    drain_times,
    joined,
    name_of,
    rotation,
    without_twins,
)

Json = dict[str, Any]
GROUP = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network"
BALANCER = f"{GROUP}/loadBalancers/lb"
POOL = f"{BALANCER}/backendAddressPools/pool".lower()
IDENTITY = parse_resource_id(BALANCER)


def an_instance(**changes: Any) -> Instance:
    row = Instance(
        "a" * 12, 3, 1, 1, Stage.READY, 0.0, 0.0, "10.90.1.3", "02:00:00:00:00:01", "", "", booted_at=1.0
    )
    return row.but(host="h1", **changes)


def a_balancer(rule: Json | None = None, **more: Any) -> Json:
    def child(name: str, **properties: Any) -> Json:
        return {"name": name, "properties": properties}

    def own(collection: str, name: str) -> Json:
        return {"id": f"{BALANCER}/{collection}/{name}"}

    body = {
        "location": "local",
        "properties": {
            "frontendIPConfigurations": [child("front", publicIPAddress={"id": f"{GROUP}/publicIPAddresses/ip"})],
            "backendAddressPools": [child("pool", drainPeriodInSeconds=7)],
            "probes": [child("probe", protocol="Http", port=8080, requestPath="/health", intervalInSeconds=5)],
            "loadBalancingRules": [
                child(
                    "web",
                    frontendIPConfiguration=own("frontendIPConfigurations", "front"),
                    backendAddressPool=own("backendAddressPools", "pool"),
                    **{"protocol": "Tcp", "frontendPort": 80, "backendPort": 8080, **(rule or {})},
                )
            ],
            **more,
        },
    }
    return SHAPE.parse(body, IDENTITY)


def told(body: Json, *places: Place, ports: dict[str, dict[str, int]] | None = None, pool: str = POOL) -> Traffic:
    addresses = [("10.91.0.4", Side.GUESTS), ("127.91.0.4", Side.MACHINE)]
    return balancer_traffic(IDENTITY, body, lambda _: addresses, {pool: places}, ports or {})


READY = Place("web_0", "10.90.1.2", Rotation.SERVES)


@pytest.mark.parametrize(
    ("change", "sight", "expected"),
    [
        ({}, Sight.RUNNING, Rotation.SERVES),
        ({}, Sight.UNKNOWN, Rotation.SERVES),
        ({}, Sight.DEAD, Rotation.OUT),
        ({}, Sight.ABSENT, Rotation.OUT),
        ({"is_gone": True}, Sight.RUNNING, Rotation.DRAINS),
        ({"is_gone": True}, Sight.DEAD, Rotation.OUT),
        ({"wanted_power": WantedPower.STOPPED}, Sight.RUNNING, Rotation.DRAINS),
        ({"wanted_power": WantedPower.DEALLOCATED}, Sight.RUNNING, Rotation.DRAINS),
        ({"restarts_wanted": 1}, Sight.RUNNING, Rotation.DRAINS),
        ({"redeploys_wanted": 1}, Sight.RUNNING, Rotation.DRAINS),
        ({"quarantined_at": 5.0}, Sight.RUNNING, Rotation.DRAINS),
        ({"stage": Stage.CREATING}, Sight.RUNNING, Rotation.DRAINS),
        ({"stage": Stage.CREATING}, Sight.ABSENT, Rotation.OUT),
        ({"stage": Stage.CREATING, "booted_at": None, "generation": 2}, Sight.RUNNING, Rotation.DRAINS),
        ({"stage": Stage.WAITING}, Sight.RUNNING, Rotation.OUT),
        ({"stage": Stage.CREATING}, Sight.UNKNOWN, Rotation.OUT),
        ({"moving_from": "h2"}, Sight.RUNNING, Rotation.DRAINS),
        ({"stage": Stage.BOOTING}, Sight.RUNNING, Rotation.OUT),
        ({"stage": Stage.CONFIGURING}, Sight.RUNNING, Rotation.DRAINS),
        ({"stage": Stage.FAILED}, Sight.RUNNING, Rotation.VOUCHED),
        ({"lost_at": 9.0}, Sight.UNKNOWN, Rotation.OUT),
    ],
)
def test_what_is_decided_about_an_instance_takes_it_out_of_rotation(
    change: Json, sight: Sight, expected: Rotation
) -> None:
    assert rotation(an_instance(**change), sight) is expected


def test_a_rule_listens_at_each_address_of_its_frontend_and_leads_to_its_pool() -> None:
    traffic = told(a_balancer(), READY)
    [backend] = traffic.backends
    assert [(each.address, each.port, each.side) for each in traffic.listeners] == [
        ("10.91.0.4", 80, Side.GUESTS),
        ("127.91.0.4", 80, Side.MACHINE),
    ]
    assert {each.backend for each in traffic.listeners} == {backend.name} == {"rg.lb.web"}
    assert len({each.name for each in traffic.listeners}) == 2
    assert [(each.address, each.port) for each in backend.members] == [("10.90.1.2", 8080)]
    assert backend.idle_timeout_s == 240


def test_a_rule_asks_as_its_probe_says_and_takes_members_for_well_without_one() -> None:
    probe = {"probe": {"id": f"{BALANCER}/probes/probe"}}
    assert told(a_balancer(probe)).backends[0].check == Check("http", 8080, 5.0, "/health")
    assert told(a_balancer()).backends[0].check is None


def test_only_a_probe_can_vouch_for_an_instance_whose_provisioning_failed() -> None:
    probe = {"probe": {"id": f"{BALANCER}/probes/probe"}}
    vouched = Place("web_1", "10.90.1.3", Rotation.VOUCHED)
    with_probe, without = told(a_balancer(probe), vouched), told(a_balancer(), vouched)
    assert [each.state for each in with_probe.backends[0].members] == [MemberState.READY]
    assert [each.state for each in without.backends[0].members] == [MemberState.DRAINING]


def test_one_that_drains_is_there_and_one_that_is_out_is_not() -> None:
    places = (Place("a", "10.0.0.1", Rotation.DRAINS), Place("b", "10.0.0.2", Rotation.OUT), READY)
    assert [(each.name, each.state) for each in told(a_balancer(), *places).backends[0].members] == [
        ("a", MemberState.DRAINING),
        ("web_0", MemberState.READY),
    ]


def test_a_rule_for_the_same_client_goes_by_its_address() -> None:
    assert told(a_balancer({"loadDistribution": "SourceIP"})).backends[0].stickiness is Stickiness.SOURCE_ADDRESS
    assert told(a_balancer()).backends[0].stickiness is Stickiness.NONE


def test_a_nat_pool_leads_each_port_to_its_instance_sick_or_not() -> None:
    pool = {
        "name": "ssh",
        "properties": {
            "frontendIPConfiguration": {"id": f"{BALANCER}/frontendIPConfigurations/front"},
            "protocol": "Tcp",
            "frontendPortRangeStart": 50000,
            "frontendPortRangeEnd": 50119,
            "backendPort": 22,
        },
    }
    body = a_balancer(inboundNatPools=[pool], loadBalancingRules=[])
    ports = {f"{BALANCER}/inboundNatPools/ssh".lower(): {"web_0": 50000, "web_1": 50001, "gone": 50002}}
    drains = Place("web_1", "10.90.1.3", Rotation.DRAINS)
    traffic = told(body, READY, drains, ports=ports, pool=f"{BALANCER}/inboundNatPools/ssh".lower())
    leads = {each.backend: each.port for each in traffic.listeners}
    assert [(leads[each.name], each.members[0].address, each.members[0].port) for each in traffic.backends] == [
        (50000, "10.90.1.2", 22),
        (50001, "10.90.1.3", 22),
    ]
    assert all(each.check is None and each.members[0].state is MemberState.READY for each in traffic.backends)


def test_the_second_of_two_listeners_at_one_port_is_left_out_and_named() -> None:
    twice = joined([told(a_balancer(), READY), told(a_balancer(), READY)])
    traffic, problems = without_twins(twice)
    assert len(traffic.listeners) == 2
    assert len(problems) == 2
    assert "port 80 of 10.91.0.4" in problems[0]


def test_a_pool_says_how_long_its_instances_may_take_to_finish() -> None:
    assert drain_times(IDENTITY, a_balancer()) == {POOL: 7.0}


@pytest.mark.parametrize(
    ("words", "is_kept"),
    [
        (("rg", "lb", "web"), True),
        (("r(g)", "lb", "web"), False),
        (("a" * 90, "b" * 80), False),
        (("ü", "x"), False),
    ],
)
def test_names_are_what_the_balancer_takes_and_never_meet(words: tuple[str, ...], is_kept: bool) -> None:
    name = name_of(*words)
    assert (name == ".".join(words)) is is_kept
    assert len(name) <= 100
    assert all(character.isascii() and (character.isalnum() or character in "_.-") for character in name)
    assert name != name_of(*words[:-1], f"{words[-1]}?")


def test_no_two_rows_of_words_have_one_name() -> None:
    words = [("rg", "a", "b.c"), ("rg", "a.b", "c"), ("rg", "a", "b", "c"), ("rg.a", "b", "c"), ("rg", "a(b)", "c")]
    assert len({name_of(*each) for each in words}) == len(words)
    assert name_of("rg", "lb", "web") == "rg.lb.web"


def test_who_is_not_wanted_any_more_on_a_silent_host_may_end_what_it_has() -> None:
    assert rotation(an_instance(is_gone=True), Sight.UNKNOWN) is Rotation.DRAINS
