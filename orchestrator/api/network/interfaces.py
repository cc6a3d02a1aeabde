"""The cards of instances and their addresses, under the paths of their scale set. Nothing of it can be written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Request

from orchestrator.api.compute_instances import VM
from orchestrator.api.compute_scale_sets import SET
from orchestrator.api.context import Api, ApiDep, SetAddress, SetAddressDep
from orchestrator.api.network.held import Holdings
from orchestrator.api.paging import PAGED, paged
from orchestrator.api.queries import takes
from orchestrator.api.sights import look_at, looks
from orchestrator.api.targets import find_instance
from orchestrator.errors import NotFound
from orchestrator.model.arm.instance_views import Subject
from orchestrator.model.arm.statuses import Json

router = APIRouter()
CARDS = f"{VM}/networkinterfaces"
CARD = f"{CARDS}/{{card}}"
CONFIGURATION = f"{CARD}/ipconfigurations/{{configuration}}"


def _cards(api: Api, address: SetAddress) -> Iterator[Json]:
    record = address.find(api)
    rows = [row for row in api.store.instances(record.uid) if not row.is_gone]
    holdings = Holdings(api)
    return (card for it in looks(api, record, rows) for card in holdings.cards(it))


def _cards_of(api: Api, address: SetAddress, instance_id: str) -> list[Json]:
    return Holdings(api).cards(_subject(api, address, instance_id))


def _card(api: Api, address: SetAddress, instance_id: str, name: str) -> Json:
    return _named(_cards_of(api, address, instance_id), name, "The instance has no network interface")


def _configuration(api: Api, address: SetAddress, instance_id: str, card: str, name: str) -> Json:
    found = _card(api, address, instance_id, card)["properties"]["ipConfigurations"]
    return _named(found, name, "The card has no IP configuration")


def _named(found: Sequence[Json], name: str, words: str) -> Json:
    """Raises ``NotFound`` that says which there are."""
    for each in found:
        if each["name"].lower() == name.lower():
            return each
    known = ", ".join(f"'{each['name']}'" for each in found)
    raise NotFound(f"{words} '{name[:80]}'; it has {known}.")


def _subject(api: Api, address: SetAddress, instance_id: str) -> Subject:
    record = address.find(api)
    return look_at(api, record, find_instance(api.store, record, instance_id))


@router.get(f"{SET}/networkinterfaces")
@takes(*PAGED)
async def list_of_set(request: Request, address: SetAddressDep, api: ApiDep) -> Json:
    return paged(request, _cards(api, address))


@router.get(f"{SET}/publicipaddresses")
@takes(*PAGED)
async def list_public_addresses(request: Request, address: SetAddressDep, api: ApiDep) -> Json:
    return paged(request, Holdings(api).public_addresses(address.find(api)))


@router.get(CARDS)
async def list_of_instance(address: SetAddressDep, instance_id: str, api: ApiDep) -> Json:
    return {"value": _cards_of(api, address, instance_id)}


@router.get(CARD)
async def get_card(address: SetAddressDep, instance_id: str, card: str, api: ApiDep) -> Json:
    return _card(api, address, instance_id, card)


@router.get(f"{CARD}/ipconfigurations")
async def list_configurations(address: SetAddressDep, instance_id: str, card: str, api: ApiDep) -> Json:
    return {"value": _card(api, address, instance_id, card)["properties"]["ipConfigurations"]}


@router.get(CONFIGURATION)
async def get_configuration(
    address: SetAddressDep, instance_id: str, card: str, configuration: str, api: ApiDep
) -> Json:
    return _configuration(api, address, instance_id, card, configuration)


@router.get(f"{CONFIGURATION}/publicipaddresses")
async def list_public_addresses_of_card(
    address: SetAddressDep, instance_id: str, card: str, configuration: str, api: ApiDep
) -> Json:
    own = _configuration(api, address, instance_id, card, configuration)
    it = _subject(api, address, instance_id)
    return {"value": [each for each in [Holdings(api).public_address(it, own)] if each is not None]}


@router.get(f"{CONFIGURATION}/publicipaddresses/{{public_address}}")
async def get_public_address(
    address: SetAddressDep, instance_id: str, card: str, configuration: str, public_address: str, api: ApiDep
) -> Json:
    own = _configuration(api, address, instance_id, card, configuration)
    found = Holdings(api).public_address(_subject(api, address, instance_id), own)
    if found is None or found["name"].lower() != public_address.lower():
        raise NotFound(f"The IP configuration has no public address '{public_address[:80]}'.")
    return found
