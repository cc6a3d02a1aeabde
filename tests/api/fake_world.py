"""An app on a store in memory, with a fake loop behind it that only remembers what it was asked."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from orchestrator.api.app import create_app
from orchestrator.api.identity.gate import from_unix_socket
from orchestrator.api.identity.identity import Identity
from orchestrator.api.identity.throttle import Throttle
from orchestrator.api.identity.tokens import SigningKey, Tokens
from orchestrator.errors import BadInput, Conflict, ImageError, NotFound
from orchestrator.model.arm.site import Site
from orchestrator.model.arm.storage import ImageReference
from orchestrator.model.guest import HostCapacity
from orchestrator.model.host import HostConfig
from orchestrator.model.instance import Cause, Instance, Stage
from orchestrator.model.reports import CensusEntry, Check, FrontReport, HostReport
from orchestrator.model.resource import ResourceGroup
from orchestrator.model.scale_set import ScaleSet
from orchestrator.plan.inputs import Seen, Sight
from orchestrator.plan.steps import AddInstance, CreateGuest, Plan
from orchestrator.store import Seal, Store, make_engine
from orchestrator.store.tables import metadata

SUB = "11111111-2222-3333-4444-555555555555"
TENANT = "99999999-8888-7777-6666-555555555555"
V = "?api-version=2024-11-01"
GROUP = f"/subscriptions/{SUB}/resourceGroups/rg"
SETS = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets"
SET = f"{SETS}/web"
OWN = "/providers/Vmss.Local"
GROUPS = frozenset({"gold"})
NOW = 1_700_000_000.0
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKB6OUqLIjcTMVS7XGMn3q5OZZ8Jw3BbY8W4rFZVnHqX me@here"

Json = dict[str, Any]


def a_set(capacity: int = 3, **properties: Any) -> Json:
    """A body that is right."""
    return {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": capacity},
        "properties": {
            "virtualMachineProfile": {
                "osProfile": {"adminUsername": "azureuser"},
                "storageProfile": {"imageReference": {"publisher": "vmss", "offer": "micro", "sku": "1"}},
            },
            **properties,
        },
    }


def script_extension(name: str = "script", **settings: Any) -> Json:
    return {
        "name": name,
        "properties": {
            "publisher": "Microsoft.Azure.Extensions",
            "type": "CustomScript",
            "typeHandlerVersion": "2.1",
            "settings": settings or {"commandToExecute": "true"},
        },
    }


def health_extension(name: str = "health") -> Json:
    return {
        "name": name,
        "properties": {
            "publisher": "Microsoft.ManagedServices",
            "type": "ApplicationHealthLinux",
            "typeHandlerVersion": "1.0",
            "settings": {"protocol": "http", "port": 80, "requestPath": "/"},
        },
    }


def with_extensions(*extensions: Json, **properties: Any) -> Json:
    body = a_set(**properties)
    body["properties"]["virtualMachineProfile"]["extensionProfile"] = {"extensions": list(extensions)}
    return body


@dataclass
class FakeControl:
    """The loop's side of ``ControlPort``. Facts are set by the test; nothing moves by itself."""

    sights: dict[int, Seen] = field(default_factory=dict)
    reports: dict[str, HostReport] = field(default_factory=dict)
    log: bytes = b"Linux version 6.1\nlogin: "
    newest: str = "1.0.1"
    taken: set[tuple[str, int]] = field(default_factory=set)
    listening: list[FrontReport] = field(default_factory=list)

    def seen(self, set_uid: str) -> Mapping[int, Seen]:
        return self.sights

    async def plan(self, set_uid: str) -> Plan:
        return Plan(actions=(CreateGuest(0, "it is wanted and not there", "h1"),), notes=("all is well",))

    def rehearsed_plan(self, record: ScaleSet) -> Plan:
        reason = "the set needs 1 more instance"
        return Plan(decisions=(AddInstance(0, reason, "h1", "1", 0, Cause.SCALE),))

    def newest_image(self, set_uid: str) -> str:
        if not self.newest:
            raise ImageError("There is no such image.")
        return self.newest

    async def console(self, set_uid: str, instance_id: int, max_bytes: int) -> bytes:
        return self.log[-max_bytes:]

    async def census(self) -> Sequence[CensusEntry]:
        return [
            CensusEntry("h1", "domain", "web_0", "wanted", "web_0"),
            CensusEntry("h1", "volume", "x", "foreign"),
        ]

    async def doctor(self) -> Sequence[Check]:
        return [Check("host h1", "pool", False, "full", "make room")]

    def is_port_taken(self, address: str, port: int) -> bool:
        return (address, port) in self.taken

    async def fronts(self) -> Sequence[FrontReport]:
        return self.listening

    def hosts(self) -> Sequence[HostReport]:
        return [self.reports[name] for name in sorted(self.reports)]

    async def put_host(self, config: HostConfig) -> None:
        if config.name == "fromfile":
            raise Conflict("stands in the file")
        if "nowhere" in config.uri:
            raise BadInput("no such transport", target="uri")
        capacity = HostCapacity(4, 4096, 96, 1, 10 << 30, 9 << 30)
        self.reports[config.name] = HostReport(config, "up", False, False, 1, capacity, NOW)

    async def drain_host(self, name: str, *, is_draining: bool) -> None:
        old = self.reports[name]
        condition = "draining" if is_draining else "up"
        self.reports[name] = HostReport(old.config, condition, is_draining, False, 1)

    async def remove_host(self, name: str, *, is_forced: bool) -> None:
        if not is_forced:
            raise Conflict("instances are on it")
        if name not in self.reports:
            raise NotFound("gone")
        del self.reports[name]


@dataclass
class World:
    """What a test holds on to: the app, the store behind it, and what the loop was told."""

    app: FastAPI
    store: Store
    control: FakeControl
    woken: list[str]
    missing_images: set[str]
    clock: list[float]
    make_app: Callable[[Identity], FastAPI]

    def send(
        self, method: str, path: str, body: Any = None, *, is_local: bool = True, **more: Any
    ) -> httpx.Response:
        """One request, through the Unix socket or a port. ``api-version`` is added where the path has no query."""
        if "?" not in path:
            path += V
        content = {"json": body} if body is not None else {}
        app = from_unix_socket(self.app) if is_local else self.app

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **content, **more)

        return asyncio.run(go())

    def identify(self, **changes: Any) -> None:
        """Another configuration of logins, on the same store."""
        self.app = self.make_app(an_identity(self.clock, **changes))

    def put(self, path: str = SET, body: Json | None = None, **more: Any) -> httpx.Response:
        return self.send("PUT", path, a_set() if body is None else body, **more)

    def get(self, path: str = SET, **more: Any) -> Json:
        answer = self.send("GET", path, **more)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    @property
    def record(self) -> ScaleSet:
        return self.store.find_scale_set(SUB, "rg", "web")

    def rows(self) -> dict[int, Instance]:
        return {row.instance_id: row for row in self.store.instances(self.record.uid)}

    def change(self, instance_id: int, **changes: Any) -> None:
        with self.store.write() as tx:
            tx.put_instance(self.rows()[instance_id].but(**changes))

    def populate(self, count: int = 3) -> None:
        """What the loop would have made: rows that are ready and run."""
        record = self.record
        with self.store.write() as tx:
            tx.add_instances(
                Instance(
                    set_uid=record.uid,
                    instance_id=number,
                    generation=1,
                    model_version=record.model_version,
                    stage=Stage.READY,
                    created_at=NOW,
                    changed_at=NOW,
                    address=f"10.90.{number // 250}.{number % 250 + 1}",
                    mac="02:00:00:00:00:01",
                    host_key_private="secret key",
                    host_key_public="ssh-ed25519 AAAA",
                    image_version="1.0.0",
                    host="h1",
                    zone="1",
                    fault_domain=0,
                    memory_mib=96,
                    booted_at=NOW,
                )
                for number in range(count)
            )
            tx.update_set_fields(record.uid, next_instance_id=count)
        self.control.sights.update({number: Seen(Sight.RUNNING) for number in range(count)})


@functools.cache
def signing_key() -> SigningKey:
    """One for all tests of a process: making it takes a while."""
    return SigningKey.make()


def an_identity(clock: list[float], reads: int = 12_000, writes: int = 1_200, **changes: Any) -> Identity:
    tokens = Tokens(signing_key(), "urn:vmss:test", TENANT)
    return Identity(tokens, Throttle(reads, writes, lambda: clock[0]), **changes)


def make_world() -> World:
    """A fresh one. Close its store when done."""
    engine = make_engine("sqlite://")
    metadata.create_all(engine)
    store = Store(engine, Seal(b"q" * 43 + b"="))
    with store.write() as tx:
        tx.put_group(ResourceGroup(SUB, "rg", "local", created_at=NOW, changed_at=NOW))
    missing: set[str] = set()
    keys = iter(range(1000))

    def find_image(reference: ImageReference) -> object:
        if reference.catalogue_name in missing or reference.offer not in {"micro", "debian", None}:
            raise ImageError(f"There is no image {reference.catalogue_name}.")
        return reference

    site = Site(
        SUB, "local", {"1": frozenset({0, 1}), "2": frozenset({0})}, ("fabric",), find_image, host_groups=GROUPS
    )
    control, woken, clock = FakeControl(), list[str](), [NOW]

    def make_app(identity: Identity) -> FastAPI:
        return create_app(
            store,
            woken.append,
            control,
            lambda: site,
            identity=identity,
            make_host_key=lambda: (f"new private {next(keys)}", "ssh-ed25519 NEW"),
            network_namespace="vmss-lab",
            now=lambda: clock[0],
        )

    return World(make_app(an_identity(clock)), store, control, woken, missing, clock, make_app)
