"""`vmssd`: the only place where the parts are put together."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import structlog

from orchestrator.api.app import create_app
from orchestrator.api.identity.identity import Identity
from orchestrator.api.identity.owner_file import OwnerFile
from orchestrator.api.identity.throttle import Throttle
from orchestrator.api.identity.tokens import SigningKey, Tokens
from orchestrator.config import Config, load_config
from orchestrator.control.claims import Claims
from orchestrator.control.controller import Controller
from orchestrator.control.desk import Desk, host_config_of
from orchestrator.control.edge import Edge, Zone
from orchestrator.control.filters import Filters, FilterWatch, address_towards
from orchestrator.control.fleet import HostMaker
from orchestrator.control.front import Front
from orchestrator.control.front_view import FrontView
from orchestrator.control.making import CatalogueSpecMaker, find_image
from orchestrator.control.specs import AddressSpaces, SimulatedSpecMaker, SpecMaker
from orchestrator.control.subnets import StoredSubnets
from orchestrator.control.timers import Timers
from orchestrator.control.wishes import Wishes
from orchestrator.errors import VmssError
from orchestrator.guest.port import Guests
from orchestrator.guest.seed import make_host_key
from orchestrator.guest.ssh import SshGuests
from orchestrator.hosts.libvirt import LibvirtHost
from orchestrator.hosts.simulated import SimulatedGuests, SimulatedHost, SimulatedWorld
from orchestrator.images.catalogue import Catalogue
from orchestrator.model.arm.site import Site
from orchestrator.model.host import HostConfig
from orchestrator.model.scale_set import HostRecord
from orchestrator.model.sizes import SizeCatalogue
from orchestrator.network.gateways import Gateways
from orchestrator.network.haproxy import HaproxyBalancer
from orchestrator.network.names import NameServer
from orchestrator.network.nat import OneToOne
from orchestrator.network.routes import hold_locally
from orchestrator.network.simulated import SimulatedBalancer
from orchestrator.servers import Listeners, Servers, open_listeners
from orchestrator.store import Seal, Store, make_engine
from orchestrator.store.schema import migrate
from orchestrator.tls import Certificates

log = structlog.get_logger()


class Daemon:
    """One daemon on one state directory, from its lock to its last log line."""

    def __init__(self, config: Config, machine_namespace_fd: int | None = None) -> None:
        """``machine_namespace_fd`` is open on the network namespace that was left for the configuration's."""
        self.config = config
        state = config.state_dir
        engine = make_engine(config.database_url)
        migrate(engine)
        self.store = Store(engine, Seal.from_file(state / "seal.key"))
        self.catalogue = Catalogue(config.images_dir)
        self.sizes = SizeCatalogue(config.own_sizes())
        spaces, self.carriers = [network.to_space() for network in config.networks], config.carriers()
        subnets = StoredSubnets(self.store, config.subscription_id, self.carriers, [space.name for space in spaces])
        self.spaces = AddressSpaces(spaces, subnets)
        resource_of = Wishes(self.store, self.sizes, self.spaces).resource
        towards = _nowhere if config.is_simulated else address_towards
        self.filters = Filters(self.store, self.spaces, resource_of, towards)
        self.agent_key = _agent_key(state / "agent_key")
        self.certificates = Certificates(state / "tls", sorted(config.names_served))
        self.identity = self._identity()
        make_host, guests, maker = self._simulated() if config.is_simulated else self._real()
        self.controller = Controller(
            self.store, make_host, guests, maker, self.sizes, self.spaces, config.rules(), time.time
        )
        self.controller.filters = FilterWatch(self.store, self.controller.fleet, self.filters)
        self._make_front(machine_namespace_fd)
        self.timers = Timers(self.store, time.time, config.keep_events_days)

    def _simulated(self) -> tuple[HostMaker, Guests, SpecMaker]:
        world, installation = SimulatedWorld(), self.store.installation
        maker = SimulatedSpecMaker(installation, self.sizes)
        return lambda host: SimulatedHost(host, installation, world), SimulatedGuests(world), maker

    def _real(self) -> tuple[HostMaker, Guests, SpecMaker]:
        installation = self.store.installation
        public = self.agent_key.with_suffix(".pub").read_text().strip()
        maker = CatalogueSpecMaker(self.store, self.catalogue, self.sizes, self.spaces, public, self.filters.of_set)
        guests = SshGuests.from_key_file(self.agent_key)
        return lambda host: LibvirtHost(host, installation), guests, maker

    def _make_front(self, machine_namespace_fd: int | None) -> None:
        """The balancer, and what stands beside it; translation, names and gateways on real hosts only."""
        config, parts, state = self.config, self.controller, self.config.state_dir
        pool = config.public_pool()
        claims = Claims(self.store, parts.wishes, config.subscription_id, pool, time.time)
        gateways = Gateways(state / "gateways.json")

        def held() -> frozenset[str]:
            return self.spaces.kept_back if config.is_simulated else gateways.held

        view = FrontView(self.store, parts.fleet, parts.wishes, config.subscription_id, pool.machine_address, held)
        if config.is_simulated:
            parts.front = Front(self.store, view, claims, SimulatedBalancer(), time.time)
            zone = Zone(config.subscription_id, config.location, config.dns_zone, tuple)
            parts.edge = Edge(self.store, parts.wishes, claims, zone, view.serves)
            return
        hold_locally(pool.prefixes)
        front = Front(
            self.store, view, claims, HaproxyBalancer(state / "balancer", machine_namespace_fd), time.time
        )

        async def hold_gateways() -> None:
            """Balancers listen at what is new, and no more at what is gone."""
            before = gateways.held
            try:
                await gateways.apply(self.spaces.held())
            finally:
                if gateways.held != before:
                    front.wake()

        zone = Zone(config.subscription_id, config.location, config.dns_zone, lambda: config.dns_listen)
        translation = OneToOne(self.store.installation, self.spaces.prefixes) if pool else None
        names = NameServer(state / "names", config.dns_zone)
        parts.front = front
        parts.edge = Edge(self.store, parts.wishes, claims, zone, view.serves, translation, names, hold_gateways)

    def site(self) -> Site:
        """What requests are checked against, as it is now."""
        domains: dict[str, set[int]] = {}
        groups = {monitor.host.config.host_group for monitor in self.controller.fleet}
        for monitor in self.controller.fleet:
            host = monitor.host.config
            domains.setdefault(host.zone, set()).add(host.fault_domain)
        return Site(
            self.config.subscription_id,
            self.config.location,
            {zone: frozenset(numbers) for zone, numbers in domains.items()},
            tuple(self.spaces.names),
            (lambda reference: reference)
            if self.config.is_simulated
            else (lambda reference: find_image(self.catalogue, reference)),
            self.sizes,
            host_groups=frozenset(group.lower() for group in groups if group),
            public_pool=self.config.public_pool(),
            carriers=self.carriers,
            dns_zone=self.config.dns_zone,
        )

    def _hosts(self) -> list[tuple[HostConfig, bool]]:
        """The file's hosts are written over the store's; those added by hand stay, and so do those that the file no
        longer names while instances stand on them: forgetting those would free addresses that are in use."""
        in_use = {row.host for row in self.store.instances()}
        stored = {record.name: record for record in self.store.hosts()}
        in_file = [section.to_host() for section in self.config.hosts]
        with self.store.write() as tx:
            for host in in_file:
                draining = host.name in stored and stored[host.name].is_draining
                tx.put_host(HostRecord(host.name, asdict(host), is_from_config=True, is_draining=draining))
            for record in stored.values():
                if not record.is_from_config or record.name in {host.name for host in in_file}:
                    continue
                if record.name not in in_use:
                    tx.drop_host(record.name)
                    continue
                log.warning("host is not in the file and has instances: drain it, then remove it", host=record.name)
                tx.put_host(replace(record, is_from_config=False))
        return [(host_config_of(record), record.is_draining) for record in self.store.hosts()]

    def _identity(self) -> Identity:
        """Keys and the first owner are made here when there are none yet."""
        config, state = self.config, self.config.state_dir
        if config.https_listen:
            self.certificates.ensure()
        facts = {
            "tenantId": config.tenant_id,
            "subscriptionId": config.subscription_id,
            "endpoint": config.https_url,
            "caFile": str(self.certificates.ca_file) if config.https_listen else None,
            "socket": str(config.socket),
        }
        owner = OwnerFile(state / "owner.json")
        owner.ensure(self.store, facts, time.time())
        key = SigningKey.from_file(state / "token_signing.key")
        issuer = f"urn:vmss:{self.store.installation}"
        tokens = Tokens(key, issuer, config.tenant_id, config.token_lifetime_s)
        throttle = Throttle(config.reads_per_minute, config.writes_per_minute, time.monotonic)
        return Identity(
            tokens,
            throttle,
            config.names_served,
            config.https_url,
            config.metadata_identity,
            owner.path,
            self.certificates.ca_file if config.https_listen else None,
        )

    async def run(self, listeners: Listeners) -> None:
        """Serve until SIGTERM or SIGINT. Guests run on after it."""
        await self.controller.start(self._hosts())
        self.timers.start()
        app = create_app(
            self.store,
            self.controller.wake,
            Desk(self.controller),
            self.site,
            catalogue=None if self.config.is_simulated else self.catalogue,
            identity=self.identity,
            make_host_key=make_host_key,
            network_namespace=self.config.network_namespace,
        )
        jobs = asyncio.create_task(app.state.api.jobs.run(app.state.api), name="jobs")
        servers = Servers(app, listeners, self.certificates)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, servers.ask_to_stop)
        log.info(
            "ready",
            socket=str(self.config.socket),
            https=self.config.https_listen,
            installation=self.store.installation,
            pid=os.getpid(),
        )
        await servers.serve()
        self.timers.stop()
        jobs.cancel()
        await self.controller.stop()
        self.store.close()


def _nowhere(_address: str) -> None:
    """Simulated guests are reached from no address."""


def _agent_key(path: Path) -> Path:
    """The key the daemon logs in to guests with; made once, mode 0600."""
    if not path.exists():
        private, public = make_host_key()
        path.with_suffix(".pub").write_text(public + "\n")
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(private)
            file.flush()
            os.fsync(file.fileno())
    return path


@contextlib.contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold the state directory's lock. Raises ``VmssError`` when another daemon has it."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VmssError(f"Another vmssd already runs on {state}.", code="AlreadyRunning") from None
        yield


def enter_namespace(name: str) -> None:
    """Every connection from now on is made from that network namespace. Call before any thread begins."""
    from pyroute2 import netns  # noqa: PLC0415  only labs need it

    try:
        netns.setns(name)
    except OSError as error:
        message = f"The network namespace {name} cannot be entered: {error.strerror}. Is the lab up?"
        raise VmssError(message, code="NamespaceMissing") from error


def _serve(config: Config) -> None:
    with only_one(config.state_dir):
        listeners = open_listeners(config)
        machine = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC) if config.network_namespace else None
        if config.network_namespace:
            enter_namespace(config.network_namespace)
        try:
            asyncio.run(Daemon(config, machine).run(listeners))
        finally:
            config.socket.unlink(missing_ok=True)


def run() -> None:
    """The entry point of ``vmssd``."""
    parser = argparse.ArgumentParser(prog="vmssd", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("/etc/vmss/vmssd.yaml"), help="the configuration file")
    parser.add_argument("--check", action="store_true", help="only read the configuration, and say if it is right")
    arguments = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        config = load_config(arguments.config)
        if not arguments.check:
            _serve(config)
    except VmssError as error:
        sys.exit(f"vmssd: {error.message}")


if __name__ == "__main__":
    run()
