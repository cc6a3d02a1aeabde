"""Three guests behind a load balancer: spread, out of rotation when sick or dead, and not one failed request while
they are upgraded, scaled in, repaired, or while the daemon is dead."""

from __future__ import annotations

import copy
import http.client
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import psutil
import pytest
from bodies import micro_set, script
from conftest import MakeDaemon, MakeSet
from system import Daemon, Json, TestedSet, in_namespace, is_served, qemus, wait_for

from orchestrator.cli.client import OWN
from orchestrator.errors import VmssError
from orchestrator.lab import Lab, freeze_guest

GROUP = "tests"
NETWORK = "providers/Microsoft.Network"
INTERVAL_S = 5
PAGE = """#!/bin/sh
hostname >/var/www/.new && mv /var/www/.new /var/www/index.html
echo well >/var/www/healthz
"""
SICKEN = "rm /var/www/healthz"


def paths(daemon: Daemon, name: str) -> tuple[str, str]:
    """Of the balancer and of its public address."""
    top = f"{daemon.client.path_of_group(GROUP)}/{NETWORK}"
    return f"{top}/loadBalancers/{name}", f"{top}/publicIPAddresses/{name}PublicIP"


def make_balancer(daemon: Daemon, name: str) -> str:
    """By the command line, with a probe of its own page. Its public address."""
    done = daemon.vmss("lb", "create", name, "-g", GROUP, "--probe", "http:80/healthz")
    assert done.returncode == 0, done.stderr
    return str(daemon.client.get(paths(daemon, name)[1])["properties"]["ipAddress"])


def behind(daemon: Daemon, name: str, capacity: int, text: str = PAGE, **properties: object) -> Json:
    """A set behind that balancer, whose probe says who is well."""
    own = paths(daemon, name)[0]
    subnet = {"id": f"{OWN}/addressSpaces/{daemon.client.daemon['addressSpaces'][0]}"}
    pools = [{"id": f"{own}/backendAddressPools/pool"}]
    address = {"name": "address", "properties": {"subnet": subnet, "loadBalancerBackendAddressPools": pools}}
    card = {"name": "card", "properties": {"primary": True, "ipConfigurations": [address]}}
    network = {"networkInterfaceConfigurations": [card], "healthProbe": {"id": f"{own}/probes/probe"}}
    body = micro_set(capacity, script(text), **properties)
    body["properties"]["virtualMachineProfile"]["networkProfile"] = network
    return body


def members(daemon: Daemon) -> dict[str, list[bool]]:
    """By the instance's name: whether it gets new connections, of each balancer's port that it is behind."""
    found: dict[str, list[bool]] = {}
    for front in daemon.client.get(f"{OWN}/fronts")["value"]:
        for each in front["members"]:
            is_up = each["isUp"] and each["state"] == "ready"
            found.setdefault(each["name"].rpartition(".")[0], []).append(is_up)
    return found


def are_up(daemon: Daemon, *names: str) -> bool:
    """Whether just these get new connections, of every balancer that they are behind."""
    told = members(daemon)
    return {name for name, each in told.items() if all(each)} == set(names)


@dataclass
class Client:
    """Asks for a page again and again, each time by a new connection."""

    pages: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def count(self) -> int:
        return self.pages.total()

    def go_on(self, url: str) -> None:
        while not self.is_over.wait(0.05):
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    self.pages[answer.read().decode().strip()] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {url}: {error!r}")


@contextmanager
def asking(lab: Lab, *urls: str) -> Iterator[Client]:
    """One for each address, from the controller's end of the fabric."""
    client = Client()
    acts = [partial(client.go_on, url) for url in urls]
    threads = [threading.Thread(target=in_namespace, args=(lab.namespace, act)) for act in acts]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: client.count > 10, "answers through the balancer")
        yield client
        before = client.count
        wait_for(lambda: client.count > before + 10 or client.failures, "answers to the end")
    finally:
        client.is_over.set()
        for thread in threads:
            thread.join(30)


@dataclass
class Fronted:
    """A set, the daemon it is on, and where its load balancer and its application gateway are asked."""

    one: TestedSet
    daemon: Daemon
    address: str
    gate: str

    @property
    def urls(self) -> tuple[str, str]:
        return self.url, self.gate

    @property
    def url(self) -> str:
        return f"http://{self.address}/"

    def names(self) -> list[str]:
        return [f"{self.one.name}_{number}" for number in self.one.ids()]

    def wait_up(self) -> None:
        wait_for(lambda: are_up(self.daemon, *self.names()), f"all of {self.names()} get requests")


@pytest.fixture(scope="module")
def fronted(make_daemon: MakeDaemon, make_set: MakeSet) -> Iterator[Fronted]:
    daemon: Daemon = make_daemon("fronted")
    daemon.start()
    daemon.client.ensure_group(GROUP)
    address = make_balancer(daemon, "front")
    repair = {"gracePeriod": "PT1S"}
    policy = {
        "mode": "Rolling",
        "rollingUpgradePolicy": {"maxBatchInstancePercent": 34, "pauseTimeBetweenBatches": "PT1S"},
    }
    gate, pool = make_gateway(daemon)
    body = behind(daemon, "front", 3, repair=repair, upgradePolicy=policy, overprovision=False)
    [card] = body["properties"]["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"]
    [own] = card["properties"]["ipConfigurations"]
    own["properties"]["applicationGatewayBackendAddressPools"] = [{"id": pool}]
    one = make_set("web", body, on=daemon)
    fronted = Fronted(one, daemon, address, gate)
    one.wait_ready(0, 1, 2, is_healthy=True)
    fronted.wait_up()
    yield fronted


def test_requests_are_spread_and_the_machine_has_an_address_for_them_too(fronted: Fronted, lab: Lab) -> None:
    with asking(lab, fronted.url) as client:
        wait_for(lambda: len(client.pages) == 3, "each of three guests answers")
    assert not client.failures
    own = paths(fronted.daemon, "front")[0].lower()
    fronts = fronted.daemon.client.get(f"{OWN}/fronts")["value"]
    [machine] = {
        each["address"] for each in fronts if each["side"] == "machine" and each["resource"].lower() == own
    }
    assert machine.startswith("127.")
    with urllib.request.urlopen(f"http://{machine}/", timeout=10) as answer:
        assert answer.read().decode().strip() in client.pages


def test_a_sick_one_gets_no_requests_is_repaired_and_nobody_notices(fronted: Fronted, lab: Lab) -> None:
    sick = fronted.one.ids()[0]
    with asking(lab, *fronted.urls) as client:
        fronted.one.run(sick, SICKEN)
        began = time.monotonic()
        wait_for(
            lambda: not are_up(fronted.daemon, *fronted.names()), "it is out of rotation", 3 * INTERVAL_S, 0.05
        )
        print(f"out after {time.monotonic() - began:.1f} s")
        wait_for(lambda: sick not in fronted.one.ids(), "it is replaced")
        wait_for(lambda: len(fronted.one.ids()) == 3, "there are three again")
        fronted.one.wait_ready(*fronted.one.ids(), is_healthy=True)
        fronted.wait_up()
    assert not client.failures


def test_a_rolling_upgrade_loses_no_request(fronted: Fronted, lab: Lab) -> None:
    version = PAGE.replace("hostname >", "echo second $(hostname) >")
    profile = {"extensionProfile": {"extensions": [script(version)]}}
    with asking(lab, *fronted.urls) as client:
        fronted.one.patch({"properties": {"virtualMachineProfile": profile}})
        wait_for(lambda: len([page for page in client.pages if page.startswith("second")]) == 3, "all are upgraded")
        wait_for(lambda: _is_upgraded(fronted.one), "the upgrade is over")
    assert not client.failures


def _is_upgraded(one: TestedSet) -> bool:
    return all(each["properties"]["latestModelApplied"] for each in one.instances().values())


def test_a_reimage_and_a_restart_lose_no_request(fronted: Fronted, lab: Lab) -> None:
    first, second, _ = fronted.one.ids()
    with asking(lab, *fronted.urls) as client:
        fronted.one.do("reimage", first)
        fronted.one.wait_ready(*fronted.one.ids(), is_healthy=True)
        fronted.wait_up()
        fronted.one.do("restart", second)
        fronted.one.wait_ready(*fronted.one.ids(), is_healthy=True)
        fronted.wait_up()
    assert not client.failures


def test_traffic_goes_on_without_the_daemon_and_its_return_disturbs_nothing(fronted: Fronted, lab: Lab) -> None:
    before = balancers(fronted.daemon)
    assert len(before) == 1
    with asking(lab, *fronted.urls) as client:
        fronted.daemon.kill()
        asked = client.count
        wait_for(lambda: client.count > asked + 40, "answers while the daemon is dead")
        fronted.daemon.start()
        wait_for(lambda: are_up(fronted.daemon, *fronted.names()), "it sees its balancer again")
    assert not client.failures
    assert balancers(fronted.daemon) == before, "the very process goes on"


def balancers(daemon: Daemon) -> list[int]:
    """The processes that do a daemon's balancing."""
    found = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "haproxy" and str(daemon.state) in " ".join(process.cmdline()):
            found.append(process.pid)
    return sorted(found)


def test_a_killed_one_is_out_at_once_and_a_frozen_one_within_the_probes_interval(
    fronted: Fronted, lab: Lab, healed: Lab
) -> None:
    killed, frozen, *_ = fronted.names()
    pids = {each.domain.rpartition(".")[0]: each.pid for each in qemus(lab)}
    began = time.monotonic()
    psutil.Process(pids[killed]).kill()
    wait_for(lambda: killed not in _serving(fronted.daemon), "the dead one is out", 10, 0.02)
    out_s = time.monotonic() - began
    wait_for(lambda: killed not in fronted.names() and len(fronted.names()) == 3, "it is replaced", 120)
    fronted.one.wait_ready(*fronted.one.ids(), is_healthy=True, within_s=180)
    fronted.wait_up()
    began = time.monotonic()
    freeze_guest(healed, frozen)
    wait_for(lambda: frozen not in _serving(fronted.daemon), "the frozen one is out", 30, 0.05)
    silent_s = time.monotonic() - began
    print(f"the dead one was out after {out_s:.2f} s, the frozen one after {silent_s:.1f} s")
    assert out_s <= 1.0
    assert silent_s <= INTERVAL_S + 0.5, "half a second is for the look itself"
    wait_for(lambda: frozen not in fronted.names() and len(fronted.names()) == 3, "it is replaced", 120)
    fronted.one.wait_ready(*fronted.one.ids(), is_healthy=True, within_s=180)
    fronted.wait_up()


def _serving(daemon: Daemon) -> set[str]:
    return {name for name, each in members(daemon).items() if any(each)}


def test_scaling_in_loses_no_request(fronted: Fronted, lab: Lab) -> None:
    with asking(lab, *fronted.urls) as client:
        fronted.one.wait(fronted.one.scale(2))
        assert len(fronted.one.ids()) == 2
        fronted.wait_up()
    assert not client.failures


def make_gateway(daemon: Daemon) -> tuple[str, str]:
    """Where it is asked, and the id of its pool."""
    top = f"{daemon.client.path_of_group(GROUP)}/{NETWORK}"
    gateway, address = f"{top}/applicationGateways/gate", f"{top}/publicIPAddresses/gate"
    static = {"sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    daemon.client.send("PUT", address, body={"location": "local", **static})
    subnet = f"{top}/virtualNetworks/gates/subnets/one"
    network = {"addressSpace": {"addressPrefixes": ["10.50.0.0/16"]}}
    network |= {"subnets": [{"name": "one", "properties": {"addressPrefix": "10.50.0.0/24"}}]}
    daemon.client.send("PUT", subnet.rpartition("/subnets")[0], body={"location": "local", "properties": network})
    body = {"location": "local", "properties": gateway_properties(gateway, subnet)}
    daemon.client.send("PUT", gateway, body=body)
    url = f"http://{daemon.client.get(address)['properties']['ipAddress']}/"
    return url, f"{gateway}/backendAddressPools/pool"


def test_an_application_gateway_spreads_requests_and_keeps_a_client_where_its_cookie_says(
    fronted: Fronted, lab: Lab
) -> None:
    with asking(lab, fronted.gate) as client:
        wait_for(lambda: len(client.pages) == len(fronted.one.ids()), "all answer")
    assert not client.failures
    first, cookie = in_namespace(lab.namespace, lambda: ask_with(fronted.gate, None))
    again = {in_namespace(lab.namespace, lambda: ask_with(fronted.gate, cookie))[0] for _ in range(6)}
    assert again == {first}


def test_a_port_that_another_program_has_is_refused_and_nothing_changes(fronted: Fronted, lab: Lab) -> None:
    own = paths(fronted.daemon, "front")[0]
    before = fronted.daemon.client.get(own)
    rule = copy.deepcopy(before["properties"]["loadBalancingRules"][0])
    rule["name"], rule["properties"]["frontendPort"] = "second", 8099
    body = {"location": "local", "sku": before["sku"], "properties": copy.deepcopy(before["properties"])}
    body["properties"]["loadBalancingRules"].append(rule)

    def listener() -> socket.socket:
        return socket.create_server((fronted.address, 8099))

    with in_namespace(lab.namespace, listener), pytest.raises(VmssError) as refused:
        fronted.daemon.client.send("PUT", own, body=body)
    assert refused.value.code == "PortIsTaken"
    assert fronted.daemon.client.get(own) == before
    fronted.daemon.client.send("PUT", own, body=body)
    url = f"http://{fronted.address}:8099/"
    wait_for(lambda: is_served(lab, url), "the second port is there")
    fronted.wait_up()
    with asking(lab, url) as client:
        wait_for(lambda: len(client.pages) == len(fronted.one.ids()), "all answer at the second port, too")
    assert not client.failures


def gateway_properties(gateway: str, subnet: str) -> Json:
    def own(collection: str, name: str) -> Json:
        return {"id": f"{gateway}/{collection}/{name}"}

    def child(name: str, **properties: object) -> Json:
        return {"name": name, "properties": properties}

    public = {"id": gateway.replace("applicationGateways", "publicIPAddresses")}
    place = {"frontendIPConfiguration": own("frontendIPConfigurations", "front")}
    place |= {"frontendPort": own("frontendPorts", "http")}
    rule = {"httpListener": own("httpListeners", "all"), "priority": 10}
    rule |= {"backendAddressPool": own("backendAddressPools", "pool")}
    rule |= {"backendHttpSettings": own("backendHttpSettingsCollection", "sticky")}
    probe = {"protocol": "Http", "host": "x", "path": "/healthz", "interval": 5, "timeout": 3}
    settings = {"port": 80, "cookieBasedAffinity": "Enabled", "probe": own("probes", "own")}
    return {
        "sku": {"name": "Standard_v2"},
        "gatewayIPConfigurations": [child("ip", subnet={"id": subnet})],
        "frontendIPConfigurations": [child("front", publicIPAddress=public)],
        "frontendPorts": [child("http", port=80)],
        "backendAddressPools": [child("pool")],
        "probes": [child("own", **probe, unhealthyThreshold=1)],
        "backendHttpSettingsCollection": [child("sticky", **settings)],
        "httpListeners": [child("all", **place)],
        "requestRoutingRules": [child("rule", **rule)],
    }


def ask_with(url: str, cookie: str | None) -> tuple[str, str]:
    """The page, and the cookie that it came with or that was sent."""
    request = urllib.request.Request(url, headers={"Cookie": cookie} if cookie else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        given = (answer.headers.get("Set-Cookie") or cookie or "").split(";")[0]
        return answer.read().decode().strip(), given


def test_an_ipv6_frontend_leads_to_the_same_guests(fronted: Fronted, lab: Lab) -> None:
    daemon = fronted.daemon
    own, address = paths(daemon, "front")
    sixth = f"{address}6"
    properties = {"publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv6"}
    daemon.client.send(
        "PUT", sixth, body={"location": "local", "sku": {"name": "Standard"}, "properties": properties}
    )
    body = daemon.client.get(own)
    frontends = body["properties"]["frontendIPConfigurations"]
    frontends.append({"name": "sixth", "properties": {"publicIPAddress": {"id": sixth}}})
    rule = {**body["properties"]["loadBalancingRules"][0]["properties"]}
    rule["frontendIPConfiguration"] = {"id": f"{own}/frontendIPConfigurations/sixth"}
    body["properties"]["loadBalancingRules"].append({"name": "sixth", "properties": rule})
    with asking(lab, fronted.url) as client:
        daemon.client.send("PUT", own, body=body)
        shown = str(daemon.client.get(sixth)["properties"]["ipAddress"])
        wait_for(lambda: is_served(lab, f"http://[{shown}]/"), "the new frontend answers")
        with asking(lab, f"http://[{shown}]/") as other:
            wait_for(lambda: len(other.pages) >= 2, "they answer")
        assert not other.failures
    assert not client.failures, "a reload loses no request"
