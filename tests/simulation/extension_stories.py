"""Stories of extensions and run commands: in order, cancelled, on one instance only, and found again."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import Any

from orchestrator.guest.port import ScriptRequest
from orchestrator.hosts.simulated.world import Telling as Outcome
from orchestrator.model import wishes
from orchestrator.model.arm.extension_numbers import next_numbers
from orchestrator.model.arm.run_command import parse_managed
from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.model.arm.write_only import join_secrets, split_secrets
from orchestrator.model.guest import GuestSpec
from orchestrator.model.instance import ExtensionState, Instance, Stage
from orchestrator.model.own_extension import OwnExtension
from orchestrator.model.run_command import ExecutionState, RunCommand
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus
from tests.simulation.stories import told
from tests.simulation.story import Story, body


def script(name: str, *after: str, **more: Any) -> dict[str, Any]:
    properties = {
        "publisher": "Microsoft.Azure.Extensions",
        "type": "CustomScript",
        "typeHandlerVersion": "2.1",
        "settings": {"commandToExecute": f"echo {name}"},
        "provisionAfterExtensions": list(after),
    }
    return {"name": name, "properties": {**properties, **more}}


def scripted(capacity: int, *scripts: dict[str, Any], budget: str = "PT90M") -> dict[str, Any]:
    content = body(capacity)
    profile = content["properties"]["virtualMachineProfile"]
    profile["extensionProfile"] = {"extensions": list(scripts), "extensionsTimeBudget": budget}
    return content


class Scripts:
    """How scripts go, by name (``name`` or ``name@instance``), and the order in which they began."""

    def __init__(self, story: Story, **outcomes: Outcome) -> None:
        self.outcomes = outcomes
        self.began: list[str] = []
        story.world.tell_script = self.tell

    def tell(self, spec: GuestSpec, request: ScriptRequest) -> Outcome:
        self.began.append(f"{request.name}@{spec.owner.instance_id}")
        here = self.outcomes.get(f"{request.name}_{spec.owner.instance_id}")
        return here or self.outcomes.get(request.name, Outcome())


def row_of(story: Story, uid: str, number: int = 0) -> Instance:
    row = story.store.instance(uid, number)
    assert row is not None
    return row


def is_failed(story: Story, uid: str, number: int = 0) -> bool:
    row = story.store.instance(uid, number)
    return row is not None and row.stage is Stage.FAILED


def has_begun(story: Story, uid: str, name: str) -> bool:
    row = story.store.instance(uid, 0)
    return row is not None and name in row.extensions


def state_of(story: Story, uid: str, name: str, number: int = 0) -> ExtensionState:
    return row_of(story, uid, number).extensions[name]


def cancel(story: Story, uid: str, name: str) -> None:
    row = row_of(story, uid)
    cancelled = replace(row.extensions[name], cancelled_by="a request")
    with story.store.write() as tx:
        tx.put_instance(row.but(extensions={**row.extensions, name: cancelled}))
    story._wake(uid)


def change(story: Story, uid: str, content: dict[str, Any]) -> None:
    """Another model, under the numbers that the API gives."""
    record = story.record(uid)
    old = parse_scale_set(join_secrets(record.model, record.secrets), name=record.name)
    new = parse_scale_set(content, name=record.name)
    public, secrets = split_secrets(new.to_json())
    changed = record.but(
        model=public,
        secrets=secrets,
        version=record.version + 1,
        model_version=record.model_version + 1,
        extension_sequences=next_numbers(record.extension_sequences, old, new),
    )
    with story.store.write() as tx:
        tx.put_scale_set(changed)
        tx.put_profile(changed)
    story._wake(uid)


def upgrade(story: Story, uid: str) -> None:
    with story.store.write() as tx:
        version = story.record(uid).model_version
        tx.put_instance(wishes.reconfigured(row_of(story, uid), story.now(), model_version=version))
    story._wake(uid)


def put_own(story: Story, uid: str, number: int, sequence: int = 1, *, is_suppressed: bool = False) -> None:
    row = row_of(story, uid, number)
    properties = script("own", "base", suppressFailures=is_suppressed)["properties"]
    own = OwnExtension(uid, number, "own", properties, {}, sequence)
    with story.store.write() as tx:
        tx.put_own_extension(own)
        tx.put_instance(wishes.reconfigured(row, story.now(), model_version=row.model_version))
    story._wake(uid)


def put_command(story: Story, uid: str, name: str, number: int = 0, **properties: Any) -> str:
    """As the API does; gives the operation's id."""
    public, hidden, _ = parse_managed({"properties": {"source": {"script": "echo hi"}, **properties}})
    now, operation_id = story.now(), str(uuid.UUID(int=next(story._ids)))
    operation = Operation(operation_id, OperationKind.RUN_COMMAND, uid, now, now + 5400.0, {number: 0})
    old = story.store.run_command(uid, number, name)
    content: dict[str, Any] = {"properties": public, "secrets": hidden, "operation_id": operation_id}
    new = old.again(now, **content) if old else RunCommand(uid, number, name, created_at=now, **content)
    with story.store.write() as tx:
        tx.put_run_command(new)
        tx.put_operation(operation)
    story._wake(uid)
    return operation_id


def command(story: Story, uid: str, name: str, number: int = 0) -> RunCommand:
    found = story.store.run_command(uid, number, name)
    assert found is not None
    return found


def status(story: Story, operation_id: str) -> OperationStatus:
    operation = story.store.operation(operation_id)
    assert operation is not None
    return operation.status


async def in_state(story: Story, uid: str, name: str, state: ExecutionState, number: int = 0) -> None:
    await story.until(lambda: command(story, uid, name, number).state is state)


@told
async def scripts_one_after_the_other(story: Story) -> None:
    """Three scripts run in their order; one fails and holds up what comes after it; mended, all have run."""
    scripts = Scripts(story, middle=Outcome(exit_code=4))
    names = (script("last", "middle"), script("aside"), script("middle", "first"), script("first"))
    uid = story.create(content=scripted(1, *names))
    await story.until(lambda: is_failed(story, uid))
    assert scripts.began == ["aside@0", "first@0", "middle@0"]
    failure = row_of(story, uid).failure
    assert failure is not None and failure.code == "VMExtensionProvisioningError"
    assert "last was not run: it is provisioned after middle" in failure.message
    scripts.outcomes.clear()
    mended = scripted(1, names[0], names[1], script("middle", "first", forceUpdateTag="2"), names[3])
    change(story, uid, mended)
    upgrade(story, uid)
    await story.settled(uid)
    assert scripts.began == ["aside@0", "first@0", "middle@0", "middle@0", "last@0"]


@told
async def a_script_that_is_cancelled(story: Story) -> None:
    """A script that would run for an hour is cancelled: it is ended in the guest, has failed, and is removed."""
    Scripts(story, endless=Outcome(lasts_s=3600.0, stdout="so far"))
    uid = story.create(content=scripted(1, script("endless")))
    await story.until(lambda: has_begun(story, uid, "endless"))
    await asyncio.sleep(10)
    cancel(story, uid, "endless")
    await story.until(lambda: is_failed(story, uid), within_s=20)
    state = state_of(story, uid, "endless")
    assert state.code == "failed" and state.exit_code is None
    assert "It was cancelled by a request." in state.message and "so far" in state.message
    change(story, uid, scripted(1))
    upgrade(story, uid)
    await story.settled(uid)


@told
async def a_newer_configuration_takes_over(story: Story) -> None:
    """A script runs for an hour when the model changes: the run is ended, and the newer one takes its place."""
    scripts = Scripts(story, setup=Outcome(lasts_s=3600.0))
    uid = story.create(content=scripted(1, script("setup")))
    await story.until(lambda: has_begun(story, uid, "setup"))
    scripts.outcomes.clear()
    change(story, uid, scripted(1, script("setup", forceUpdateTag="2")))
    upgrade(story, uid)
    await story.settled(uid, within_s=60)
    assert scripts.began == ["setup@0", "setup@0"]
    assert state_of(story, uid, "setup").sequence == 2


@told
async def scripts_share_their_time(story: Story) -> None:
    """Two scripts of forty seconds have a budget of a minute: the second is stopped at what the first left it."""
    Scripts(story, first=Outcome(lasts_s=40.0), second=Outcome(lasts_s=40.0), third=Outcome())
    names = script("first"), script("second", "first"), script("third", suppressFailures=True)
    uid = story.create(content=scripted(1, *names, budget="PT1M"))
    await story.until(lambda: is_failed(story, uid))
    states = {name: state_of(story, uid, name) for name in ("first", "second", "third")}
    assert states["first"].code == "succeeded"
    assert "stopped at its time limit" in states["second"].message
    taken = sum(state.at - (state.began_at or 0.0) for state in states.values())
    assert 59.0 <= taken <= 61.0, taken


@told
async def an_extension_of_one_instance(story: Story) -> None:
    """One of two instances has an extension of its own: it outlives the daemon, and runs again on a new disk."""
    scripts = Scripts(story, own=Outcome(lasts_s=30.0))
    uid = story.create(content=scripted(2, script("base")))
    await story.settled(uid)
    put_own(story, uid, 1)
    await story.until(lambda: "own@1" in scripts.began)
    await story.crash()
    await story.start()
    await story.settled(uid)
    assert scripts.began.count("own@1") == 1 and "own@0" not in scripts.began
    assert "own" not in row_of(story, uid, 0).extensions
    story.verb(uid, 1, "reimage")
    await story.settled(uid)
    assert scripts.began.count("own@1") == 2
    scripts.outcomes["own"] = Outcome(exit_code=1)
    put_own(story, uid, 1, sequence=2)
    await story.until(lambda: is_failed(story, uid, 1))
    assert row_of(story, uid, 0).stage is Stage.READY


@told
async def a_command_that_outlives_the_daemon(story: Story) -> None:
    """A run command is at work when the daemon is killed: the next one finds it, and it has run once."""
    scripts = Scripts(story, job=Outcome(lasts_s=60.0, stdout="done"))
    uid = story.create(content=scripted(1))
    await story.settled(uid)
    operation = put_command(story, uid, "job")
    await in_state(story, uid, "job", ExecutionState.RUNNING)
    assert row_of(story, uid).stage is Stage.READY, "nothing else waits for it"
    await story.crash()
    await story.start()
    await in_state(story, uid, "job", ExecutionState.SUCCEEDED)
    assert scripts.began == ["job@0"]
    assert (command(story, uid, "job").output, command(story, uid, "job").exit_code) == ("done", 0)
    assert status(story, operation) is OperationStatus.SUCCEEDED


@told
async def commands_come_and_go(story: Story) -> None:
    """Commands fail, run out of time, are replaced by newer ones and are ended when they are deleted."""
    endless = Outcome(lasts_s=7200.0)
    scripts = Scripts(story, bad=Outcome(exit_code=3), strict=Outcome(exit_code=3), slow=endless, other=endless)
    uid = story.create(content=scripted(1))
    await story.settled(uid)
    bad = put_command(story, uid, "bad")
    strict = put_command(story, uid, "strict", treatFailureAsDeploymentFailure=True)
    slow = put_command(story, uid, "slow", timeoutInSeconds=20)
    begun = put_command(story, uid, "other", asyncExecution=True)
    await in_state(story, uid, "slow", ExecutionState.TIMED_OUT)
    assert command(story, uid, "bad").state is ExecutionState.FAILED
    found = [status(story, each) for each in (bad, strict, slow, begun)]
    succeeded, failed = OperationStatus.SUCCEEDED, OperationStatus.FAILED
    assert found == [succeeded, failed, succeeded, succeeded]
    assert command(story, uid, "other").state is ExecutionState.RUNNING
    scripts.outcomes.clear()
    put_command(story, uid, "other")
    await in_state(story, uid, "other", ExecutionState.SUCCEEDED)
    assert scripts.began.count("other@0") == 2
    scripts.outcomes["other"] = endless
    put_command(story, uid, "other")
    await in_state(story, uid, "other", ExecutionState.RUNNING)
    running = command(story, uid, "other")
    gone = running.but(is_gone=True, stop_sequence=running.sequence)
    with story.store.write() as tx:
        tx.put_run_command(gone)
    story._wake(uid)
    await story.until(lambda: story.store.run_command(uid, 0, "other") is None, within_s=20)


@told
async def a_command_ends_with_its_instance(story: Story) -> None:
    """Commands wait while their instance is off, end when it stops, and go with it; nothing waits for them."""
    Scripts(story, long=Outcome(lasts_s=7200.0), later=Outcome())
    uid = story.create(content=scripted(2))
    await story.settled(uid)
    long = put_command(story, uid, "long")
    await in_state(story, uid, "long", ExecutionState.RUNNING)
    story.verb(uid, 0, "stop")
    await in_state(story, uid, "long", ExecutionState.FAILED)
    assert status(story, long) is OperationStatus.FAILED
    later = put_command(story, uid, "later")
    await asyncio.sleep(30)
    assert command(story, uid, "later").state is ExecutionState.PENDING
    story.verb(uid, 0, "start")
    await in_state(story, uid, "later", ExecutionState.SUCCEEDED)
    assert status(story, later) is OperationStatus.SUCCEEDED
    lost = put_command(story, uid, "long", number=1)
    await in_state(story, uid, "long", ExecutionState.RUNNING, number=1)
    story.verb(uid, 1, "delete")
    await story.until(lambda: story.store.instance(uid, 1) is None, within_s=60)
    await story.until(lambda: status(story, lost) is OperationStatus.FAILED, within_s=10)
    await story.settled(uid)
