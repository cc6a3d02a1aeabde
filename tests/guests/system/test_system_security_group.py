"""Security groups on real guests: ports closed and opened while a guest runs; false addresses go nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from bodies import script
from conftest import MakeDaemon, MakeSet
from system import Daemon, Json, TestedSet, is_served, wait_for
from test_system_balancer import PAGE, are_up, behind, make_balancer

from orchestrator.lab import Lab

NETWORK = "providers/Microsoft.Network"


def rule(name: str, priority: int, access: str, port: str = "80", **more: str) -> Json:
    own = {
        "priority": priority,
        "access": access,
        "direction": "Inbound",
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": port,
        **more,
    }
    return {"name": name, "properties": own}


@dataclass
class Guarded:
    """A set of two behind a group, and the daemon it is on."""

    one: TestedSet
    daemon: Daemon
    url: str

    @property
    def group(self) -> str:
        return f"{self.daemon.client.path_of_group('tests')}/{NETWORK}/networkSecurityGroups/guard"

    def put(self, *rules: Json) -> None:
        body = {"location": "local", "properties": {"securityRules": list(rules)}}
        self.daemon.client.send("PUT", self.group, body=body)

    def own_url(self, number: int) -> str:
        return f"http://{self.one.address(number)}/"

    def is_served_to_its_neighbour(self) -> bool:
        told = self.one.run(0, f"timeout 4 wget -q -O - {self.own_url(1)} || echo nothing")
        return "nothing" not in told


@pytest.fixture(scope="module")
def guarded(make_daemon: MakeDaemon, make_set: MakeSet) -> Iterator[Guarded]:
    daemon: Daemon = make_daemon("guarded")
    daemon.start()
    daemon.client.ensure_group("tests")
    address = make_balancer(daemon, "guard")
    made = Guarded(TestedSet(daemon, "guarded"), daemon, f"http://{address}/")
    made.put(rule("web", 200, "Allow"))
    body = behind(daemon, "guard", 2, PAGE)
    [card] = body["properties"]["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"]
    card["properties"]["networkSecurityGroup"] = {"id": made.group}
    made.one = make_set("guarded", body, on=daemon)
    made.one.wait_ready(0, 1, is_healthy=True)
    wait_for(lambda: are_up(daemon, "guarded_0", "guarded_1"), "both get requests")
    yield made


def test_an_open_port_is_reached_by_the_balancer_by_the_daemon_and_by_the_neighbour(
    guarded: Guarded, lab: Lab
) -> None:
    assert is_served(lab, guarded.url)
    assert is_served(lab, guarded.own_url(1))
    assert guarded.is_served_to_its_neighbour()


def test_a_rule_closes_and_opens_a_port_while_the_guest_runs(guarded: Guarded, lab: Lab) -> None:
    before = guarded.one.boot_id(1)
    guarded.put(rule("shut", 100, "Deny"), rule("web", 200, "Allow"))
    wait_for(lambda: not is_served(lab, guarded.own_url(1)), "the port is closed to the daemon")
    assert not guarded.is_served_to_its_neighbour()
    wait_for(lambda: not is_served(lab, guarded.url), "the port is closed to the balancer")
    guarded.put(rule("web", 200, "Allow"))
    wait_for(lambda: is_served(lab, guarded.own_url(1)), "the port is open again")
    assert guarded.is_served_to_its_neighbour()
    wait_for(lambda: is_served(lab, guarded.url), "the balancer has it again")
    assert guarded.one.boot_id(1) == before


def test_a_rule_for_some_sources_is_for_those_alone(guarded: Guarded, lab: Lab) -> None:
    neighbour = f"{guarded.one.address(0)}/32"
    guarded.put(rule("shut", 100, "Deny", sourceAddressPrefix=neighbour), rule("web", 200, "Allow"))
    wait_for(lambda: not guarded.is_served_to_its_neighbour(), "the neighbour is kept out")
    assert is_served(lab, guarded.own_url(1))
    guarded.put(rule("web", 200, "Allow"))
    wait_for(guarded.is_served_to_its_neighbour, "the neighbour is let in again")


def test_a_port_that_no_rule_names_is_open_to_the_network_and_to_the_balancers_machine(
    guarded: Guarded, lab: Lab
) -> None:
    guarded.one.run(1, "httpd -p 8081 -h /var/www")
    other = f"http://{guarded.one.address(1)}:8081/"
    assert is_served(lab, other)
    assert "nothing" not in guarded.one.run(0, f"timeout 4 wget -q -O - {other} || echo nothing")


def test_what_a_guest_begins_goes_out_and_is_answered(guarded: Guarded) -> None:
    guarded.put(rule("shut", 100, "Deny", port="*", protocol="*"))
    try:
        wait_for(lambda: not guarded.is_served_to_its_neighbour(), "all is closed inward")
        assert "1 packets received" in guarded.one.run(0, "ping -c 1 -w 5 10.90.0.1")
    finally:
        guarded.put(rule("web", 200, "Allow"))
    wait_for(guarded.is_served_to_its_neighbour, "the port is open again")


def test_a_guest_cannot_speak_from_an_address_that_is_not_its_own(guarded: Guarded) -> None:
    false = "10.90.14.99"
    guarded.one.run(0, f"ip addr add {false}/16 dev eth0")
    try:
        honest = guarded.one.run(0, "ping -c 1 -w 4 10.90.0.1 || true")
        told = guarded.one.run(0, f"ping -c 2 -w 4 -I {false} 10.90.0.1 || true")
    finally:
        guarded.one.run(0, f"ip addr del {false}/16 dev eth0")
    assert "1 packets received" in honest
    assert " 0 packets received" in told


def test_an_extension_still_runs_behind_a_closed_group(guarded: Guarded) -> None:
    guarded.put(rule("shut", 100, "Deny", port="*", protocol="*"))
    body = guarded.one.client.get(guarded.one.path())
    extension = script("#!/bin/sh\necho again >/var/www/again\n", name="again")
    body["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"].append(extension)
    try:
        guarded.one.wait(guarded.one.create(body))
        guarded.one.do("manualUpgrade", 0, 1)
        wait_for(
            lambda: guarded.one.run(0, "cat /var/www/again 2>/dev/null || true").strip() == "again", "the script"
        )
    finally:
        guarded.put(rule("web", 200, "Allow"))
