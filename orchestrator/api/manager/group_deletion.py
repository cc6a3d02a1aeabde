"""A group goes with all that is in it, in an order in which nothing is deleted that something else uses.

Level-triggered: each pass looks at what is still there. Where the deletion has got to stands nowhere but in the
resources themselves, so a daemon that was killed goes on with the next pass.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import structlog

from orchestrator.api.context import Api
from orchestrator.api.kinds import Kind, Kinds
from orchestrator.api.long_running import DEADLINE_S
from orchestrator.api.manager.targets import target_of_id
from orchestrator.errors import BadInput, Conflict, VmssError
from orchestrator.model.arm.names import SCALE_SET_TYPE
from orchestrator.model.arm.statuses import Json
from orchestrator.model.instance import Failure
from orchestrator.model.resource import ResourceGroup
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus

log = structlog.get_logger()

_FIRST = (SCALE_SET_TYPE,)
_LAST = (
    "Microsoft.Network/applicationGateways",
    "Microsoft.Network/loadBalancers",
    "Microsoft.Network/publicIPAddresses",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/virtualNetworks",
)
"""Types that are in neither go between the two: what others do not use."""


@dataclass(slots=True)
class _Pass:
    """What one pass over a group came to."""

    is_waiting: bool = False
    has_deleted: bool = False
    refusals: list[VmssError] = field(default_factory=list)


def begin_deletion(api: Api, group: ResourceGroup) -> Operation:
    """The operation that deletes it: a new one, or the one that is under way."""
    running = api.store.operation(group.deletion) if group.deletion else None
    if running is not None:
        return running
    now = api.now()
    operation = Operation(str(uuid.uuid4()), OperationKind.DELETE_GROUP, "", now, now + DEADLINE_S, target=group.id)
    with api.store.write() as tx:
        tx.put_operation(operation)
        tx.put_group(group.but(deletion=operation.id, version=group.version + 1, changed_at=now))
    api.jobs.wake()
    return operation


def force_sets(api: Api, group: ResourceGroup) -> None:
    """Every scale set of the group is deleted without grace, from now on."""
    kind = api.kinds.of(SCALE_SET_TYPE)
    for view in list(kind.views(api, group.name)):
        kind.delete(api, target_of_id(api, view["id"]).identity, is_forced=True)


async def delete_groups(api: Api) -> bool:
    """The worker: the next step of every group that is being deleted."""
    going = [group for group in api.store.groups() if group.deletion is not None]
    return any([_advance(api, group) for group in going])


def _advance(api: Api, group: ResourceGroup) -> bool:
    """Whether it goes on."""
    operation = api.store.operation(group.deletion or "")
    if operation is None or operation.status is not OperationStatus.IN_PROGRESS:
        _give_up(api, group, operation, "ResourceGroupDeletionLost", "The operation that deleted it is gone.")
        return False
    if api.now() >= operation.deadline_at:
        seconds = operation.deadline_at - operation.started_at
        words = f"The resource group '{group.name}' was not empty within {seconds:.0f} s; the rest of it stays."
        _give_up(api, group, operation, "ResourceGroupDeletionTimeout", words)
        return False
    if _cancel_deployments(api, group):
        return True
    done = _delete_next(api, group)
    if done.is_waiting or (done.refusals and done.has_deleted):
        return True
    if done.refusals:
        why = " ".join(each.message for each in done.refusals[:10])
        words = f"The resource group '{group.name}' is not deleted, for what is in it cannot be: {why}"
        _give_up(api, group, operation, "ResourceGroupDeletionBlocked", words)
        return False
    with api.store.write() as tx:
        tx.drop_group(group.key)
        tx.put_operation(operation.but(status=OperationStatus.SUCCEEDED, ended_at=api.now()))
    log.info("a resource group is deleted", group=group.name)
    return False


def _cancel_deployments(api: Api, group: ResourceGroup) -> bool:
    """Whether any is still running: it could make what was deleted anew."""
    running = api.store.deployments(group_key=group.key, is_running=True)
    fresh = [each for each in running if not each.is_to_cancel]
    if fresh:
        with api.store.write() as tx:
            for each in fresh:
                tx.put_deployment(each.but(is_to_cancel=True, changed_at=api.now()))
        api.jobs.wake()
    return bool(running)


def _delete_next(api: Api, group: ResourceGroup) -> _Pass:
    """Asks for the deletion of all of the first types in order that are there. Later types wait for them, unless
    every one of them is refused: then what uses it may be of a later type."""
    done = _Pass()
    for kind in in_order(api.kinds):
        for view in list(kind.views(api, group.name)):
            _delete_one(api, kind, view, done)
        if done.is_waiting:
            break
    return done


def _delete_one(api: Api, kind: Kind, view: Json, done: _Pass) -> None:
    if str(view.get("properties", {}).get("provisioningState", "")).lower() == "deleting":
        done.is_waiting = True
        return
    try:
        operation = kind.delete(api, target_of_id(api, view["id"]).identity)
    except (BadInput, Conflict) as refusal:
        done.refusals.append(refusal)
        return
    done.has_deleted = True
    done.is_waiting = done.is_waiting or operation is not None


def in_order(kinds: Kinds) -> list[Kind]:
    """The types by the time when they go."""
    first = {name.lower(): at for at, name in enumerate(_FIRST, -len(_FIRST))}
    last = {name.lower(): at for at, name in enumerate(_LAST, 1)}
    ranks = first | last
    return sorted(kinds, key=lambda kind: ranks.get(kind.type.lower(), 0))


def _give_up(api: Api, group: ResourceGroup, operation: Operation | None, code: str, words: str) -> None:
    """What is left of the group is an ordinary group again."""
    now = api.now()
    with api.store.write() as tx:
        tx.put_group(group.but(deletion=None, version=group.version + 1, changed_at=now))
        if operation is not None and operation.status is OperationStatus.IN_PROGRESS:
            failure = Failure(code, words, now)
            tx.put_operation(operation.but(status=OperationStatus.FAILED, ended_at=now, failure=failure))
    log.warning("a resource group is not deleted", group=group.name, reason=words)
