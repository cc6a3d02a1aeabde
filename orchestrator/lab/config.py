"""The daemon's configuration for a lab: what `vmssd --config` reads."""

from __future__ import annotations

from typing import Any

import yaml

from orchestrator.lab.layout import (
    CONTROLLER_ADDRESS,
    FABRIC_CIDR,
    GUESTS_FIRST,
    GUESTS_LAST,
    NETWORK,
    POOL,
    PUBLIC_CIDR,
    PUBLIC_CIDR_IPV6,
    PUBLIC_ON_MACHINE,
    SUBNETS_IN,
    HostLayout,
    LabLayout,
)
from orchestrator.lab.network import BRIDGE
from orchestrator.lab.record import LabRecord

HOST_LEASE_S = 15


def zone_of(number: int, zones: int) -> str:
    """Hosts take the zones in turn: of five hosts in two zones, h1, h3 and h5 are in zone 1."""
    return str((number - 1) % zones + 1)


def fault_domain_of(number: int) -> int:
    """Each lab host fails alone."""
    return number - 1


def as_yaml(layout: LabLayout, record: LabRecord) -> str:
    """The configuration as YAML."""
    data = {
        "state_dir": str(layout.folder / "state"),
        "socket": str(layout.folder / "vmssd.sock"),
        "images_dir": record.images_dir,
        "network_namespace": layout.namespace,
        "location": "local",
        "listen": record.listen,
        "https_listen": record.https,
        "host_lease_s": HOST_LEASE_S,
        "networks": [_network()],
        "dns_listen": [CONTROLLER_ADDRESS],
        "public_addresses": [
            {"cidr": PUBLIC_CIDR, "publish_on": PUBLIC_ON_MACHINE},
            {"cidr": PUBLIC_CIDR_IPV6},
        ],
        "hosts": [_host(layout.host(number), record) for number in range(1, record.hosts + 1)],
    }
    return yaml.safe_dump(data, sort_keys=False)


def _network() -> dict[str, Any]:
    return {
        "name": NETWORK,
        "cidr": FABRIC_CIDR,
        "first": GUESTS_FIRST,
        "last": GUESTS_LAST,
        "gateway": CONTROLLER_ADDRESS,
        "dns": [CONTROLLER_ADDRESS],
        "carries": list(SUBNETS_IN),
        "interface": BRIDGE,
    }


def _host(host: HostLayout, record: LabRecord) -> dict[str, Any]:
    return {
        "name": host.name,
        "uri": host.uri,
        "zone": zone_of(host.number, record.zones),
        "fault_domain": fault_domain_of(host.number),
        "pool": POOL,
        "network": NETWORK,
        "address_space": NETWORK,
        "acceleration": "auto",
        "limits": {"memory_mib": record.memory_mib, "vcpus": record.vcpus},
    }
