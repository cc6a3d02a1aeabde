"""``vmss lb create|show|list|delete``: load balancers, each with one public address and one rule."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from orchestrator.cli.client import OWN, Client, Resource
from orchestrator.cli.command import command
from orchestrator.cli.output import at
from orchestrator.cli.session import Session
from orchestrator.cli.set_body import FrontFlags, HealthFlags
from orchestrator.errors import BadInput, NotFound

balancer_app = typer.Typer(help="Load balancers before scale sets.", no_args_is_help=True)
_NETWORK = "providers/Microsoft.Network"
_PROBE = re.compile(r"^(?P<protocol>tcp|http|https):(?P<port>\d{1,5})(?P<path>/.*)?$", re.IGNORECASE)
_TABLE = (
    at("Name", "name"),
    at("Group", "resourceGroup"),
    at("Address", "address"),
    at("On this machine", "url"),
    at("Well", "well"),
    at("Connections", "connections"),
)
Name = Annotated[str, typer.Argument(help="The balancer's name.")]
Group = Annotated[str, typer.Option("--resource-group", "-g", help="Its resource group.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]


@command(balancer_app, "create")
def create_balancer(
    session: Session,
    name: Name,
    resource_group: Group = "default",
    frontend_port: Port = 80,
    backend_port: Port = 80,
    probe: Annotated[
        str, typer.Option(metavar="PROTOCOL:PORT[/PATH]", help="How instances are asked whether they are well.")
    ] = "tcp:80",
    interval: Annotated[int, typer.Option(min=5, metavar="SECONDS", help="How often they are asked.")] = 5,
) -> None:
    """Make a load balancer with a public address: instances come into it by 'vmss create --load-balancer'."""
    client = session.client
    client.ensure_group(resource_group)
    location = client.daemon["location"]
    address = _path(client, resource_group, "publicIPAddresses", f"{name}PublicIP")
    own = _path(client, resource_group, "loadBalancers", name)
    static = {"sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    client.send("PUT", address, body={"location": location, **static})
    rule = {
        "frontendIPConfiguration": {"id": f"{own}/frontendIPConfigurations/frontend"},
        "backendAddressPool": {"id": f"{own}/backendAddressPools/{_POOL}"},
        "probe": {"id": f"{own}/probes/probe"},
        "protocol": "Tcp",
        "frontendPort": frontend_port,
        "backendPort": backend_port,
    }
    properties = {
        "frontendIPConfigurations": [_child("frontend", publicIPAddress={"id": address})],
        "backendAddressPools": [_child(_POOL)],
        "probes": [_child("probe", **_probe(probe), intervalInSeconds=interval)],
        "loadBalancingRules": [_child("rule", **rule)],
    }
    client.send("PUT", own, body={"location": location, "sku": {"name": "Standard"}, "properties": properties})
    session.show(_told(client, client.get(own), _fronts(client)), _TABLE)


_POOL = "pool"


@command(balancer_app, "list")
def list_balancers(session: Session) -> None:
    """List the load balancers: where they listen, and how many instances are well behind them."""
    client = session.client
    fronts = _fronts(client)
    path = f"/subscriptions/{client.daemon['subscriptionId']}/{_NETWORK}/loadBalancers"
    session.show([_told(client, each, fronts) for each in client.pages(path)], _TABLE)


@command(balancer_app, "show")
def show_balancer(session: Session, name: Name, resource_group: Group = "default") -> None:
    """Show one load balancer, with its members as it sees them."""
    client = session.client
    found = client.get(_path(client, resource_group, "loadBalancers", name))
    session.show(_told(client, found, _fronts(client)), _TABLE)


@command(balancer_app, "delete")
def delete_balancer(session: Session, name: Name, resource_group: Group = "default") -> None:
    """Delete a load balancer and the public address that was made with it."""
    client = session.client
    client.send("DELETE", _path(client, resource_group, "loadBalancers", name))
    client.send("DELETE", _path(client, resource_group, "publicIPAddresses", f"{name}PublicIP"))
    session.answer(f"deleted {name}")


def network_behind(client: Client, group: str, front: FrontFlags, health: HealthFlags) -> Resource | None:
    """The ``networkProfile`` of a set behind a balancer; ``None`` without one. Raises ``NotFound``."""
    if front.load_balancer is None:
        if health.health_lb:
            raise BadInput("--health-lb needs --load-balancer: it is that one's probe")
        return None
    found = client.get(_path(client, group, "loadBalancers", front.load_balancer))
    pools, probes = found["properties"]["backendAddressPools"], found["properties"]["probes"]
    if not pools:
        raise NotFound(f"load balancer {front.load_balancer} has no pool of addresses")
    if health.health_lb and not probes:
        raise NotFound(f"load balancer {front.load_balancer} has no probe")
    subnet = f"{OWN}/addressSpaces/{client.daemon['addressSpaces'][0]}"
    address = _child("address", subnet={"id": subnet}, loadBalancerBackendAddressPools=[{"id": pools[0]["id"]}])
    card = _child("card", primary=True, ipConfigurations=[address])
    profile: Resource = {"networkInterfaceConfigurations": [card]}
    return profile | ({"healthProbe": {"id": probes[0]["id"]}} if health.health_lb else {})


def _path(client: Client, group: str, kind: str, name: str) -> str:
    return f"{client.path_of_group(group)}/{_NETWORK}/{kind}/{name}"


def _child(name: str, **properties: Any) -> Resource:
    return {"name": name, "properties": properties}


def _probe(text: str) -> Resource:
    found = _PROBE.match(text)
    if not found:
        raise BadInput(f"--probe: write PROTOCOL:PORT, for example http:80/healthz, not {text}")
    protocol = found["protocol"].capitalize()
    path = {} if protocol == "Tcp" else {"requestPath": found["path"] or "/"}
    return {"protocol": protocol, "port": int(found["port"]), **path}


def _fronts(client: Client) -> list[Resource]:
    return list(client.pages(f"{OWN}/fronts"))


def _told(client: Client, balancer: Resource, fronts: list[Resource]) -> Resource:
    """What a person wants to know of it."""
    group = str(balancer["id"]).split("/")[4]
    frontends = balancer["properties"]["frontendIPConfigurations"]
    public = next((each["properties"].get("publicIPAddress") for each in frontends), None)
    address = client.get(public["id"])["properties"].get("ipAddress") if public else None
    mine = [each for each in fronts if str(each["resource"]).lower() == str(balancer["id"]).lower()]
    members = {each["name"]: each for front in mine for each in front["members"]}
    here = [f"http://{each['address']}:{each['port']}/" for each in mine if each["side"] == "machine"]
    return {
        "name": balancer["name"],
        "resourceGroup": group,
        "address": address,
        "url": ", ".join(here),
        "well": f"{sum(bool(each['isUp']) for each in members.values())} of {len(members)}",
        "connections": sum(each["sessions"] for each in members.values()),
        "members": list(members.values()),
    }
