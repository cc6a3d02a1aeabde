"""The store: what is kept, what is sealed, and what a failure leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.exc import OperationalError

from orchestrator.errors import NotFound, PreconditionFailed, StoreUnavailable, VmssError
from orchestrator.model.deployment import Deployment, DeploymentState
from orchestrator.model.instance import ExtensionState, Failure, Protection, Stage
from orchestrator.model.rolling_upgrade import RollingUpgrade, UpgradeReason
from orchestrator.model.scale_set import Event, EventPhase, Operation, OperationKind, ScaleSet
from orchestrator.store import Seal, Store, make_engine, tables, transaction
from orchestrator.store.schema import migrate
from tests.unit.plan.tables import row

UID = "a" * 12
SECRET = "a secret that must not lie about"


def _set(**changes: object) -> ScaleSet:
    record = ScaleSet(UID, "sub", "default", "web", "local", {"sku": {"capacity": 2}}, {"path": SECRET})
    return record.but(**changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    opened = _open(folder)
    yield opened
    opened.close()


def _open(folder: Path) -> Store:
    engine = make_engine(f"sqlite:///{folder / 'vmss.db'}")
    migrate(engine)
    return Store(engine, Seal.from_file(folder / "seal.key"))


def _columns(engine: Engine, table: str) -> list[tuple[str, str, bool]]:
    found = inspect(engine).get_columns(table)
    return [(each["name"], str(each["type"]), each["nullable"]) for each in found]


def test_the_migrations_make_exactly_the_tables_of_the_code(folder: Path) -> None:
    migrated = make_engine(f"sqlite:///{folder / 'migrated.db'}")
    migrate(migrated)
    wanted = create_engine("sqlite://")
    tables.metadata.create_all(wanted)
    for name in tables.metadata.tables:
        assert sorted(_columns(migrated, name)) == sorted(_columns(wanted, name))
    migrated.dispose()


def test_everything_comes_back_as_it_was_after_a_restart(folder: Path, store: Store) -> None:
    state = ExtensionState("page", "t", "2.1", 3, "failed", "said so", 5.0, exit_code=7)
    kept = row(
        4,
        set_uid=UID,
        stage=Stage.FAILED,
        failure=Failure("Code", "why", 6.0),
        protection=Protection(from_scale_in=True),
        extensions={"page": state},
        host_key_private="",
    )
    operation = Operation("op", OperationKind.REIMAGE, UID, 1.0, 2.0, {4: 2})
    with store.write() as tx:
        tx.add_scale_set(_set())
        tx.add_instances([kept.but(host_key_private="private")])
        tx.put_operation(operation)
        tx.add_events([Event(1.0, "note", EventPhase.NOTE, "said", UID, "web", 4)])
    again = _open(folder)
    assert again.scale_set(UID) == _set()
    assert again.instances(UID) == [kept] == store.instances(UID)
    assert again.host_key(UID, 4) == "private"
    assert again.operation("op") == operation
    assert [event.reason for event in again.events()] == ["said"]
    assert again.installation == store.installation
    again.close()


def test_neither_secrets_nor_host_keys_can_be_read_in_the_file(folder: Path, store: Store) -> None:
    with store.write() as tx:
        tx.add_scale_set(_set())
        tx.add_instances([row(0, set_uid=UID, host_key_private="the private key")])
    store.close()
    content = b"".join(path.read_bytes() for path in folder.glob("vmss.db*"))
    assert b"web" in content
    assert SECRET.encode() not in content
    assert b"the private key" not in content


def test_the_seal_key_is_for_its_owner_alone_and_another_key_is_refused(folder: Path, store: Store) -> None:
    assert (folder / "seal.key").stat().st_mode & 0o777 == 0o600
    with store.write() as tx:
        tx.add_scale_set(_set())
    (folder / "seal.key").unlink()
    with pytest.raises(VmssError, match="seal key"):
        _open(folder).scale_set(UID)


def test_a_transaction_that_breaks_leaves_nothing_in_the_tables_or_in_memory(store: Store) -> None:
    with store.write() as tx:
        tx.add_scale_set(_set())
        tx.add_instances([row(0, set_uid=UID)])
    assert len(store.instances(UID)) == 1
    with pytest.raises(RuntimeError), store.write() as tx:
        tx.put_instance(row(0, set_uid=UID, stage=Stage.FAILED))
        tx.add_instances([row(1, set_uid=UID)])
        raise RuntimeError
    assert [each.stage for each in store.instances(UID)] == [Stage.READY]


def test_what_memory_says_is_what_the_tables_say(folder: Path, store: Store) -> None:
    store.instances()
    with store.write() as tx:
        tx.add_scale_set(_set())
        tx.add_instances(row(number, set_uid=UID) for number in range(4))
    with store.write() as tx:
        tx.put_instance(row(2, set_uid=UID, stage=Stage.FAILED))
        tx.drop_instance(UID, 1)
        tx.put_instance(row(9, set_uid=UID))
    again = _open(folder)
    assert store.instances() == again.instances()
    assert [each.instance_id for each in store.instances()] == [0, 2, 3], "an update makes no row"
    again.close()


def test_a_stale_version_is_refused_and_changes_nothing(store: Store) -> None:
    with store.write() as tx:
        tx.add_scale_set(_set())
    with pytest.raises(PreconditionFailed), store.write() as tx:
        tx.put_scale_set(_set(version=9, location="elsewhere"), expected_version=8)
    found = store.scale_set(UID)
    assert found is not None and found.location == "local"


def test_names_are_found_whatever_their_case_and_missing_ones_say_so(store: Store) -> None:
    with store.write() as tx:
        tx.add_scale_set(_set())
    assert store.find_scale_set("SUB", "Default", "WEB").uid == UID
    with pytest.raises(NotFound, match=r"Microsoft\.Compute/virtualMachineScaleSets/api"):
        store.find_scale_set("sub", "default", "api")


def test_a_full_disk_is_told_as_such_and_nothing_is_kept(store: Store) -> None:
    def full(when: str) -> None:
        if when == "before":
            raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    store.instances()
    store._on_commit = full
    with pytest.raises(StoreUnavailable, match="disk is full"), store.write() as tx:
        tx.add_scale_set(_set())
    assert store.scale_sets() == []


def test_the_old_is_purged_and_the_open_stays(store: Store) -> None:
    with store.write() as tx:
        tx.add_events([Event(at, "note", EventPhase.NOTE, f"at {at}") for at in (1.0, 100.0)])
        tx.put_operation(Operation("open", OperationKind.START, UID, 1.0, 2.0))
        tx.put_operation(Operation("ended", OperationKind.START, UID, 1.0, 2.0, ended_at=3.0))
    with store.write() as tx:
        tx.purge(before=50.0)
    assert [event.reason for event in store.events()] == ["at 100.0"]
    assert store.operation("open") is not None
    assert store.operation("ended") is None


def test_upgrades_of_long_ago_are_purged_and_the_latest_of_each_set_stays(store: Store) -> None:
    starts = {"a": (1.0, 2.0, 60.0), "b": (3.0,)}
    with store.write() as tx:
        for uid, times in starts.items():
            for at in times:
                tx.put_rolling_upgrade(RollingUpgrade(f"{uid}{at}", uid, UpgradeReason.MODEL, 1, at))
    with store.write() as tx:
        tx.purge(before=50.0)
    assert [each.id for each in store.rolling_upgrades("a")] == ["a60.0"]
    assert [each.id for each in store.rolling_upgrades("b")] == ["b3.0"]


def test_a_group_keeps_its_newest_deployments_and_those_that_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "DEPLOYMENTS_KEPT", 2)
    ended, running = DeploymentState.SUCCEEDED, DeploymentState.RUNNING
    with store.write() as tx:
        for number, state in enumerate([running, ended, ended, ended]):
            for group in ("big", "other"):
                name, at = f"d{number}", float(number)
                if group == "big" or number < 2:
                    tx.put_deployment(Deployment("s", group, name, "op", at, at, state))
    with store.write() as tx:
        tx.purge(before=1000.0)
    kept = [(each.resource_group, each.name) for each in store.deployments()]
    assert sorted(kept) == [("big", "d0"), ("big", "d2"), ("big", "d3"), ("other", "d0"), ("other", "d1")]
