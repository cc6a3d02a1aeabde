"""Changes of a set's model as the API writes them, and guests that do what their scripts say."""

from __future__ import annotations

import uuid
from typing import Any

from orchestrator.guest.port import ScriptRequest
from orchestrator.hosts.simulated.world import Telling
from orchestrator.model.arm.extension_numbers import next_numbers
from orchestrator.model.arm.merge import merge_body
from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.model.arm.write_only import join_secrets, split_secrets
from orchestrator.model.guest import GuestSpec
from orchestrator.model.rolling_upgrade import RollingUpgrade, UpgradeReason
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus
from tests.simulation.story import Story, body

Json = dict[str, Any]


def web(capacity: int = 4, mode: str = "Rolling", **policy: Any) -> Json:
    """A set whose script is ``serve v1``; ``policy`` is its rolling upgrade policy."""
    upgrade: Json = {"mode": mode}
    if mode == "Rolling":
        upgrade["rollingUpgradePolicy"] = {"maxBatchInstancePercent": 25, **policy}
    content = body(capacity, upgradePolicy=upgrade)
    return _with_command(content, "serve v1")


def _with_command(content: Json, words: str) -> Json:
    extensions = content["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"]
    extensions[0]["properties"]["settings"] = {"commandToExecute": words}
    return content


def obey_scripts(story: Story) -> None:
    """A command with ``sick`` in it makes its guest answer badly, one with ``fails`` ends with 1; others mend."""

    def tell(spec: GuestSpec, request: ScriptRequest) -> Telling:
        words = request.command or ""
        guest = story.world.guest(spec.owner.vm_uuid)
        assert guest is not None
        guest.is_sick = "sick" in words
        return Telling(1 if "fails" in words else 0)

    story.world.tell_script = tell


def script(story: Story, uid: str, words: str) -> str:
    """Another command for the script; returns the id of the operation."""
    return patch(story, uid, command(story, uid, words))


def command(story: Story, uid: str, words: str) -> Json:
    """What a PATCH with another command for the script says."""
    profile = _with_command(_whole(story, uid), words)["properties"]["virtualMachineProfile"]
    return {"properties": {"virtualMachineProfile": {"extensionProfile": profile["extensionProfile"]}}}


def _whole(story: Story, uid: str) -> Json:
    record = story.record(uid)
    return join_secrets(record.model, record.secrets)


def patch(story: Story, uid: str, change: Json) -> str:
    """A PATCH of the set, without the checks that are the API's own."""
    record = story.record(uid)
    before = parse_scale_set(_whole(story, uid), name=record.name)
    after = parse_scale_set(merge_body(_whole(story, uid), change), name=record.name)
    public, secrets = split_secrets(after.to_json())
    is_new = (before.sku.name, before.profile) != (after.sku.name, after.profile)
    changed = record.but(
        model=public,
        secrets=secrets,
        version=record.version + 1,
        model_version=record.model_version + is_new,
        changed_at=story.now(),
        extension_sequences=next_numbers(record.extension_sequences, before, after),
    )
    operation = _operation(story, uid, OperationKind.CREATE_OR_UPDATE)
    with story.store.write() as tx:
        tx.put_scale_set(changed)
        if is_new:
            tx.put_profile(changed)
        tx.put_operation(operation)
    _wake(story, uid)
    return operation.id


def _operation(story: Story, uid: str, kind: OperationKind) -> Operation:
    number = len(story.store.operations()) + 1000
    return Operation(str(uuid.UUID(int=number)), kind, uid, story.now(), story.now() + 7200, {})


def _wake(story: Story, uid: str) -> None:
    if story.controller:
        story.controller.wake(uid)


def cancel(story: Story, uid: str) -> None:
    with story.store.write() as tx:
        tx.put_rolling_upgrade(latest(story, uid).but(is_cancel_wanted=True, last_action="Cancel"))
    _wake(story, uid)


def new_image(story: Story, uid: str, version: str, **more: Any) -> str:
    """An upgrade of the image as ``osRollingUpgrade`` writes it."""
    operation = _operation(story, uid, OperationKind.ROLLING_UPGRADE)
    upgrade = RollingUpgrade(
        id=operation.id,
        set_uid=uid,
        reason=UpgradeReason.OS_IMAGE,
        model_version=story.record(uid).model_version,
        started_at=story.now(),
        image_version=version,
        **more,
    )
    with story.store.write() as tx:
        tx.put_rolling_upgrade(upgrade)
        tx.put_operation(operation)
    _wake(story, uid)
    return operation.id


def latest(story: Story, uid: str) -> RollingUpgrade:
    found = story.store.latest_rolling_upgrade(uid)
    assert found is not None
    return found


def models(story: Story, uid: str) -> list[int]:
    return [row.model_version for row in story.counted(uid)]


async def ended(story: Story, operation_id: str, within_s: float = 1800.0) -> Operation:
    """The operation, once it has ended."""

    def found() -> Operation:
        operation = story.store.operation(operation_id)
        assert operation is not None
        return operation

    await story.until(lambda: found().status is not OperationStatus.IN_PROGRESS, within_s)
    return found()
