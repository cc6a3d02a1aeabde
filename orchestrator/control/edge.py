"""What stands beside the balancer: the ports and public addresses that instances hold, their translation, names,
and the gateways of subnets.

Level-triggered: any commit wakes it, and it tells the packet filter and the name server the whole of what is
wanted. Both run on by themselves while the daemon is down.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.control.claims import Claims
from orchestrator.control.watch import Watch
from orchestrator.control.wishes import Wishes
from orchestrator.errors import VmssError
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.references import PUBLIC_ADDRESS
from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.instance import Instance
from orchestrator.model.network.names import Name
from orchestrator.model.network.public_addresses import label_of
from orchestrator.plan.names import LabelledAddress, NamedInstance, names
from orchestrator.store import Store


class Translation(Protocol):
    async def apply(self, addresses: Mapping[str, str]) -> None:
        """The instances' own addresses by their public ones."""


class Answering(Protocol):
    async def apply(self, names: Sequence[Name], listen: Sequence[str]) -> None:
        """These names, at these addresses."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Where names are. ``listen`` says at which addresses they are asked for, now."""

    subscription_id: str
    location: str
    name: str
    listen: Callable[[], Sequence[str]]


class Edge:
    """One for the installation. ``watch`` has its task. Without a translation public
    addresses are not reached, without a name server nothing is answered; ``gateways`` holds those of subnets."""

    def __init__(
        self,
        store: Store,
        wishes: Wishes,
        claims: Claims,
        zone: Zone,
        serves: Callable[[Instance], bool],
        translation: Translation | None = None,
        server: Answering | None = None,
        gateways: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._wishes = wishes
        self._claims = claims
        self._zone = zone
        self._serves = serves
        self._translation = translation
        self._server = server
        self._hold_gateways = gateways
        self.watch = Watch(self.look, "public addresses and names")
        store.listen(lambda _has_resources: self.watch.wake())

    async def look(self) -> None:
        """One look. Raises ``VmssError`` when not all could be done; the rest was."""
        held = self._claims.settle()
        problem: VmssError | None = None
        if self._hold_gateways is not None:
            try:
                await self._hold_gateways()
            except VmssError as error:
                problem = error
        if self._translation is not None:
            try:
                await self._translation.apply({public: own for own, public in held.addresses.items()})
            except VmssError as error:
                problem = error
        if self._server is not None:
            await self._server.apply(self.names(held.addresses), tuple(self._zone.listen()))
        if problem is not None:
            raise problem

    def names(self, public: Mapping[str, str]) -> tuple[Name, ...]:
        """All names there are now; ``public`` has instances' public addresses by their own."""
        return names(self._zone.name, self._zone.location, self._instances(public), self._labelled())

    def _instances(self, public: Mapping[str, str]) -> Iterator[NamedInstance]:
        for record in self._store.scale_sets():
            for row in self._store.instances(record.uid):
                if row.is_gone or row.is_lost:
                    continue
                resource = self._wishes.made_from(row)[1]
                prefix = resource.profile.os_profile.computer_name_prefix or ""
                yield NamedInstance(
                    InstanceNames.of(record).computer_name(prefix, row.instance_id),
                    record.name,
                    record.resource_group,
                    row.instance_id,
                    row.address,
                    self._serves(row),
                    public.get(row.address),
                    _label(resource),
                )

    def _labelled(self) -> Iterator[LabelledAddress]:
        subscription = self._zone.subscription_id
        for each in self._store.resources(subscription_id=subscription, resource_type=PUBLIC_ADDRESS):
            label, address = label_of(each.body), each.body["properties"].get("ipAddress")
            if label and address:
                yield LabelledAddress(label, address)


def _label(resource: ScaleSetResource) -> str | None:
    """Of the public addresses of a model's instances."""
    network = resource.profile.network_profile
    for card in network.network_interface_configurations if network else ():
        for each in card.properties.ip_configurations:
            wanted = each.properties.public_ip_address_configuration
            settings = wanted.properties.dns_settings if wanted and wanted.properties else None
            if settings and settings.domain_name_label:
                return settings.domain_name_label
    return None
