"""What every route works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from orchestrator.api.identity.gate import CALLER
from orchestrator.api.identity.identity import Identity
from orchestrator.api.jobs import Jobs
from orchestrator.api.kinds import Kinds
from orchestrator.api.ports import ControlPort
from orchestrator.errors import Conflict, NotFound, NotPossible
from orchestrator.images.catalogue import Catalogue
from orchestrator.model.arm.names import check_group_name, check_set_name
from orchestrator.model.arm.site import Site
from orchestrator.model.principal import Caller
from orchestrator.model.resource import ResourceGroup
from orchestrator.model.scale_set import Event, EventPhase, ScaleSet
from orchestrator.store import Store


@dataclass(frozen=True, slots=True)
class About:
    """The daemon, as GET /providers/Vmss.Local/status tells it."""

    version: str
    started_at: float
    network_namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Api:
    """The parts behind the API. ``wake`` is called with a set's uid after each write; ``now`` gives epoch
    seconds; ``make_host_key`` a fresh SSH host key (private, public)."""

    store: Store
    wake: Callable[[str], None]
    control: ControlPort
    site: Callable[[], Site]
    make_host_key: Callable[[], tuple[str, str]]
    catalogue: Catalogue | None
    about: About
    now: Callable[[], float]
    kinds: Kinds
    jobs: Jobs
    identity: Identity

    def find_group(self, name: str) -> ResourceGroup:
        """Raises ``NotFound``."""
        found = self.store.group(self.site().subscription_id, name)
        if found is None:
            raise NotFound(f"Resource group '{name}' could not be found.", code="ResourceGroupNotFound")
        return found

    def check_group(self, name: str) -> ResourceGroup:
        """A group in which something can be made. Raises ``NotFound``, or ``Conflict`` while it is deleted."""
        found = self.find_group(name)
        if found.deletion is not None:
            words = f"The resource group '{found.name}' is being deleted; nothing can be made in it."
            raise Conflict(words, code="ResourceGroupBeingDeleted")
        return found

    def note(self, record: ScaleSet, reason: str, instance_id: int | None = None) -> Event:
        """The event of a request that was accepted."""
        return Event(self.now(), "request", EventPhase.NOTE, reason, record.uid, record.name, instance_id)


async def get_api(request: Request) -> Api:
    api: Api = request.app.state.api
    return api


ApiDep = Annotated[Api, Depends(get_api)]


async def get_caller(request: Request) -> Caller:
    """Whose request it is, as the front door found out."""
    caller: Caller = request.scope[CALLER]
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]


async def check_subscription(subscription_id: str, api: ApiDep) -> str:
    """The subscription of the path, in its own case. Raises ``NotFound`` for another one."""
    own = api.site().subscription_id
    if subscription_id.lower() != own.lower():
        raise NotFound(f"The subscription '{subscription_id}' could not be found.", code="SubscriptionNotFound")
    return own


Subscription = Annotated[str, Depends(check_subscription)]


@dataclass(frozen=True, slots=True)
class SetAddress:
    """A scale set as the path names it; it need not exist.

    Note [read late]: handlers look it up after the last ``await`` before they write, so that between reading and
    writing nothing else runs on the event loop, and nothing is lost."""

    subscription_id: str
    group: str
    name: str

    def find(self, api: Api) -> ScaleSet:
        """Raises ``NotFound``."""
        return api.store.find_scale_set(self.subscription_id, self.group, self.name)

    def find_if_any(self, api: Api) -> ScaleSet | None:
        try:
            return self.find(api)
        except NotFound:
            return None

    def find_live(self, api: Api) -> ScaleSet:
        """A set that can still be told something. Raises ``NotPossible`` while it is being deleted."""
        record = self.find(api)
        if record.is_deleting:
            raise NotPossible(f"The scale set {record.name} is being deleted.", target=record.name)
        return record


async def read_set_address(subscription_id: Subscription, group: str, name: str) -> SetAddress:
    return SetAddress(subscription_id, check_group_name(group), check_set_name(name))


SetAddressDep = Annotated[SetAddress, Depends(read_set_address)]
