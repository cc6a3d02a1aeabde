"""References to other resources by their ids."""

from __future__ import annotations

from typing import ClassVar

from pydantic import field_validator

from orchestrator.errors import BadInput
from orchestrator.model.arm.base import ArmModel, bad_value
from orchestrator.model.resource_id import ResourceId, parse_resource_id

NAMESPACE = "Microsoft.Network"
VIRTUAL_NETWORK = f"{NAMESPACE}/virtualNetworks"
SUBNET = f"{VIRTUAL_NETWORK}/subnets"
PUBLIC_ADDRESS = f"{NAMESPACE}/publicIPAddresses"
SECURITY_GROUP = f"{NAMESPACE}/networkSecurityGroups"
BALANCER = f"{NAMESPACE}/loadBalancers"
GATEWAY = f"{NAMESPACE}/applicationGateways"


class Reference(ArmModel):
    """Another resource by its id, whose ``type`` is one of ``types``. It is kept in Azure's spelling."""

    types: ClassVar[tuple[str, ...]] = ()
    id: str

    @field_validator("id")
    @classmethod
    def _spelt(cls, value: str) -> str:
        try:
            given = parse_resource_id(value)
        except BadInput as error:
            raise bad_value(f"is no id of a resource: {error.message.rstrip('.')}") from None
        kind = next((each for each in cls.types if each.lower() == given.type.lower()), None)
        if kind is None:
            raise bad_value(f"must be the id of {' or '.join(cls.types)}, not of {given.type[:100]}")
        namespace, *types = kind.split("/")
        return str(ResourceId(given.subscription_id, given.resource_group, namespace, tuple(types), given.names))


class SubnetReference(Reference):
    types = (SUBNET,)


class AddressReference(Reference):
    types = (PUBLIC_ADDRESS,)


class GroupReference(Reference):
    types = (SECURITY_GROUP,)


class PoolReference(Reference):
    types = (f"{BALANCER}/backendAddressPools",)


class NatPoolReference(Reference):
    types = (f"{BALANCER}/inboundNatPools",)


class ProbeReference(Reference):
    types = (f"{BALANCER}/probes",)


class GatewayPoolReference(Reference):
    types = (f"{GATEWAY}/backendAddressPools",)
