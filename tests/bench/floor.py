"""The bare floor: the same guests as vmssd makes, made with libvirt-python alone, in parallel, asked over HTTP.

Run inside the lab's controller namespace as a process of its own. Each guest has a thread and a connection, and
is asked every 50 ms. Seeds are built before the clock starts; the image lies in the pools already. Prints the
seconds from the first call until the last guest's page came.
"""

from __future__ import annotations

import argparse
import contextlib
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import libvirt

from orchestrator.config import Config, load_config
from orchestrator.daemon import enter_namespace
from orchestrator.guest.seed import SeedCard, SeedIdentity, build_seed, make_host_key
from orchestrator.hosts.libvirt.acceleration import choose_accelerator
from orchestrator.hosts.libvirt.domain_xml import GuestPaths, domain_xml
from orchestrator.images.catalogue import Catalogue
from orchestrator.model.addresses import mac_of
from orchestrator.model.guest import GuestSpec, ImageFiles, Nic, Owner

ASK_EVERY_S = 0.05
GIVE_UP_AFTER_S = 180.0
VOLUME = (
    "<volume><name>{}</name><capacity unit='bytes'>{}</capacity><target><format type='{}'/></target>{}</volume>"
)
BACKING = "<backingStore><path>{}</path><format type='qcow2'/></backingStore>"


@dataclass(frozen=True)
class Work:
    """One guest to make: all that can be known before the clock starts."""

    uri: str
    pool: str
    spec: GuestSpec
    paths: GuestPaths
    address: str
    tb_cache_mib: int


def prepare(config: Config, count: int) -> list[Work]:
    image = Catalogue(config.images_dir)
    files = image.files(image.resolve_alias("micro"))
    return [_work(config, number, files) for number in range(count)]


def _work(config: Config, number: int, files: ImageFiles) -> Work:
    host = config.hosts[number % len(config.hosts)].to_host()
    owner = Owner("f1007f10", "f" * 12, number, 1)
    address = f"10.90.200.{number + 1}"
    private, public = make_host_key()
    seed = build_seed(
        SeedIdentity(
            f"floor-{number}",
            1,
            f"floor{number}",
            None,
            (),
            public,
            private,
            public,
            (SeedCard(mac_of(owner), (f"{address}/16",)),),
            (),
            owner.vm_uuid,
            bytes(64),
        )
    )
    spec = GuestSpec(owner, f"floor_{number}", 1, 96, files, seed, (Nic(mac_of(owner), host.network),))
    return Work(host.uri, host.pool, spec, _paths(host.uri, host.pool, spec), address, host.tb_cache_mib)


def _paths(uri: str, pool_name: str, spec: GuestSpec) -> GuestPaths:
    pool = libvirt.open(uri).storagePoolLookupByName(pool_name)
    image = spec.image

    def held(end: str) -> str:
        """The copy that vmssd put into the pool for its own guests."""
        found = [
            each.path()
            for each in pool.listAllVolumes(0)
            if image.disk_sha256[:16] in each.name() and each.name().endswith(end)
        ]
        return str(found[0])

    folder = str(Path(held(".qcow2")).parent)
    owner = spec.owner
    return GuestPaths(
        f"{folder}/{owner.disk_volume}",
        held(".qcow2"),
        f"{folder}/{owner.seed_volume}",
        f"{folder}/{owner.log_volume}",
        held(".kernel"),
        held(".initrd"),
    )


def make(work: Work) -> None:
    """As few calls as the job needs."""
    connection = libvirt.open(work.uri)
    pool = connection.storagePoolLookupByName(work.pool)
    owner, spec = work.spec.owner, work.spec
    backing = BACKING.format(work.paths.base)
    pool.createXML(VOLUME.format(owner.disk_volume, spec.image.virtual_size_bytes, "qcow2", backing), 0)
    seed = pool.createXML(VOLUME.format(owner.seed_volume, len(spec.seed_iso), "raw", ""), 0)
    stream = connection.newStream(0)
    seed.upload(stream, 0, len(spec.seed_iso), 0)
    view = memoryview(spec.seed_iso)
    while view:
        view = view[stream.send(bytes(view[:262_120])) :]
    stream.finish()
    pool.createXML(VOLUME.format(owner.log_volume, 0, "raw", ""), 0)
    accelerator = choose_accelerator(connection, work.uri, "auto")
    connection.defineXML(domain_xml(spec, work.paths, accelerator, work.tb_cache_mib)).create()
    connection.close()


def await_page(address: str, until: float) -> None:
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/", timeout=5) as page:
            if page.status == 200:
                return
        time.sleep(ASK_EVERY_S)
    raise TimeoutError(f"{address} never answered")


def remove(work: Work) -> None:
    connection = libvirt.open(work.uri)
    pool = connection.storagePoolLookupByName(work.pool)
    with contextlib.suppress(libvirt.libvirtError):
        domain = connection.lookupByUUIDString(work.spec.owner.vm_uuid)
        domain.destroy()
        domain.undefine()
    pool.refresh()
    for name in (work.paths.disk, work.paths.seed, work.paths.log):
        with contextlib.suppress(libvirt.libvirtError):
            pool.storageVolLookupByName(Path(name).name).delete()
    connection.close()


def measure(works: list[Work]) -> float:
    def life(work: Work) -> None:
        make(work)
        await_page(work.address, began + GIVE_UP_AFTER_S)

    gate = threading.Barrier(len(works) + 1)

    def at_the_gate(work: Work) -> None:
        gate.wait()
        life(work)

    with ThreadPoolExecutor(len(works)) as threads:
        futures = [threads.submit(at_the_gate, work) for work in works]
        began = time.monotonic()
        gate.wait()
        for future in futures:
            future.result()
        return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    if config.network_namespace:
        enter_namespace(config.network_namespace)
    works = prepare(config, arguments.count)
    try:
        print(f"{measure(works):.3f}")
    finally:
        for work in works:
            remove(work)


if __name__ == "__main__":
    main()
