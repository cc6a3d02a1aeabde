"""A whole system for tests: a lab of three hosts, one vmssd on it as a process, and its API.

The daemon is started as people start it, and can be stopped, killed and started again on the same state. Its log
goes to a file. Guests are reached from the lab's controller namespace, as the daemon does.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import libvirt
import paramiko
import psutil
import yaml
from pyroute2 import netns

from orchestrator.cli.client import OWN, Client, Reply, SetRef
from orchestrator.cli.endpoint import Endpoint
from orchestrator.cli.faults import DaemonUnreachable
from orchestrator.cli.waiting import wait_for_operation
from orchestrator.guest.login import log_in, shut
from orchestrator.guest.port import GuestAddress
from orchestrator.guest.seed import make_host_key
from orchestrator.lab import Lab
from orchestrator.lab.processes import GuestProcess

T = TypeVar("T")
Json = dict[str, Any]

PROGRAMS = Path(sys.executable).parent
# Generous: other people's tests may run on the same cores. Promises of time are asserted where they are made.
DEADLINE_S = 90.0
START_WITHIN_S = 30.0


def wait_for(condition: Callable[[], T], what: str, within_s: float = DEADLINE_S, every_s: float = 0.1) -> T:
    """Ask until the answer is true and return it; fail with ``what`` and the last answer when time is up."""
    until = time.monotonic() + within_s
    while not (answer := condition()):
        assert time.monotonic() < until, f"{what} did not come true within {within_s:g} s; last: {answer!r}"
        time.sleep(every_s)
    return answer


def in_namespace(name: str, act: Callable[[], T]) -> T:
    """Run ``act`` in a thread that has entered the network namespace: what it connects is connected there."""

    def inside() -> T:
        netns.setns(name)
        return act()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(inside).result()


def _own_range(section: Json, number: int) -> Json:
    """Public addresses of its own: two balancers cannot listen at one."""
    if ":" in section["cidr"]:
        return {"cidr": f"fd91::{number}:0/112"}
    return {"cidr": f"10.91.{number}.0/24", "publish_on": f"127.91.{number}.0/24"}


class Daemon:
    """One vmssd with a state directory of its own."""

    def __init__(self, lab: Lab, folder: Path, number: int, **changes: Any) -> None:
        """``number`` (from 1) tells the addresses of daemons on one lab apart: nobody else may give the same.
        ``changes`` replace members of the lab's own configuration file."""
        self.lab = lab
        self.folder = folder
        self.state = folder / "state"
        self.socket = folder / "vmssd.sock"
        self.log_path = folder / "vmssd.log"
        self.process: subprocess.Popen[bytes] | None = None
        content = yaml.safe_load(lab.config_path.read_text())
        [network] = content["networks"]
        network |= {"first": f"10.90.{number}.0", "last": f"10.90.{number}.255", "carries": []}
        network |= changes.pop("network", {})
        content["dns_listen"] = content["dns_listen"] if number == 1 else []  # a port is one name server's
        content["public_addresses"] = [each | _own_range(each, number) for each in content["public_addresses"]]
        content |= {"state_dir": str(self.state), "socket": str(self.socket), "https_listen": None} | changes
        self.config_path = folder / "vmssd.yaml"
        folder.mkdir(exist_ok=True)
        self.config_path.write_text(yaml.safe_dump(content))
        self.client = self.new_client()

    def new_client(self) -> Client:
        return Client(Endpoint("http://vmssd", self.socket, "the test"))

    def launch(self) -> None:
        """Start the process and return at once."""
        argv = [str(PROGRAMS / "vmssd"), "--config", str(self.config_path)]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self) -> None:
        self.launch()
        wait_for(self.is_answering, "the daemon's answer", START_WITHIN_S, 0.05)

    def is_answering(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"vmssd ended with {self.process.returncode}: {self.log()[-2000:]}"
        # httpx forgets to close a socket that could not be connected, so it is asked only where someone listens.
        with socket.socket(socket.AF_UNIX) as trial:
            if trial.connect_ex(str(self.socket)) != 0:
                return False
        try:
            return bool(self.client.get(f"{OWN}/status"))
        except DaemonUnreachable:
            self.client.close()
            return False

    def kill(self) -> None:
        """As ``kill -9`` does. The socket's file stays behind."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.client.close()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(START_WITHIN_S)
        self.client.close()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def vmss(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line against this daemon."""
        environment = {**os.environ, "VMSS_SOCKET": str(self.socket), "COLUMNS": "250"}
        argv = [str(PROGRAMS / "vmss"), *arguments]
        return subprocess.run(
            argv, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE_S
        )

    # What it says

    def events(self, after: int = 0, **query: str) -> list[Json]:
        found: list[Json] = []
        while page := self.client.get(f"{OWN}/events", after=str(after), **query)["value"]:
            found += page
            after = page[-1]["seq"]
        return found

    def last_event(self) -> int:
        return max((event["seq"] for event in self.events()), default=0)

    def census(self, *states: str) -> list[Json]:
        return [each for each in self.client.get(f"{OWN}/census")["value"] if each["state"] in states]

    def lab_addresses(self, interface: str) -> set[str]:
        """With the lengths of their prefixes, in the controller's namespace."""
        command = ["ip", "-n", self.lab.namespace, "-o", "addr", "show", "dev", interface]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return {line.split()[3] for line in done.stdout.splitlines()}

    def strays(self) -> list[str]:
        """What is there of this daemon's guests though no instance has it. Base images stay on purpose."""
        return [each["name"] for each in self.census("stray")]

    def owned(self) -> list[str]:
        return [each["name"] for each in self.census("owned") if each["kind"] != "image"]

    def copies_of_images(self) -> list[str]:
        """Volumes that hold images for this daemon, whole or not."""
        prefix = f"vmss-image-{self.client.get(f'{OWN}/status')['installation']}-"
        entries = self.census("owned", "stray", "foreign")
        return [each["name"] for each in entries if each["name"].startswith(prefix)]

    def agent_key(self) -> paramiko.PKey:
        return paramiko.Ed25519Key.from_private_key_file(str(self.state / "agent_key"))

    def files(self) -> list[Path]:
        """Everything the daemon has written, apart from its sockets."""
        return [path for path in [*self.state.rglob("*"), self.log_path] if path.is_file()]


class TestedSet:
    """One scale set of a daemon. Made by the fixture ``make_set``, which deletes it."""

    __test__ = False

    def __init__(self, daemon: Daemon, name: str, group: str = "tests") -> None:
        self.daemon = daemon
        self.name = name
        self.ref = SetRef(group, name)
        self.creation: Reply | None = None

    @property
    def client(self) -> Client:
        return self.daemon.client

    def path(self, *more: str) -> str:
        return self.client.path_of(self.ref, *more)

    # Requests

    def create(self, body: Json) -> Reply:
        self.client.ensure_group(self.ref.group)
        return self.client.send("PUT", self.path(), body=body)

    def patch(self, body: Json) -> Reply:
        return self.client.send("PATCH", self.path(), body=body)

    def scale(self, capacity: int) -> Reply:
        return self.patch({"sku": {"capacity": capacity}})

    def post(self, verb: str, *ids: int, **query: str) -> Reply:
        """A verb on these instances, or on all when none is named."""
        body = {"instanceIds": [str(number) for number in ids]} if ids else None
        return self.client.send("POST", self.path(verb), body=body, query=query)

    def do(self, verb: str, *ids: int, **query: str) -> None:
        self.wait(self.post(verb, *ids, **query))

    def wait(self, reply: Reply | None, within_s: float = DEADLINE_S) -> None:
        """Until the operation has succeeded; its failure is raised."""
        assert reply is not None and reply.operation_url is not None
        wait_for_operation(self.client, reply.operation_url, timeout_s=within_s)

    def delete(self) -> None:
        reply = self.client.send("DELETE", self.path())
        if reply.operation_url:
            self.wait(reply)

    # What there is

    def instances(self, client: Client | None = None) -> dict[int, Json]:
        """Resources with their instance view, by id."""
        asked = client or self.client
        path = asked.path_of(self.ref, "virtualMachines")
        return {int(each["instanceId"]): each for each in asked.pages(path, **{"$expand": "instanceView"})}

    def ids(self) -> list[int]:
        return sorted(self.instances())

    def view(self, number: int) -> Json:
        return dict(self.client.get(self.path("virtualMachines", str(number), "instanceView")))

    def connection(self, number: int | str) -> Json:
        return dict(self.client.get(self.path("virtualMachines", str(number), "connection")))

    def address(self, number: int) -> str:
        return str(self.connection(number)["address"])

    def left(self, kind: str | None = None) -> list[str]:
        """Domains and volumes of its guests that the hosts have, wanted or not."""
        found = [each for each in self.daemon.census("owned", "stray") if kind in (None, each["kind"])]
        return [each["name"] for each in found if (each["instance"] or "").startswith(f"{self.name}_")]

    def events(self, after: int = 0) -> list[Json]:
        return self.daemon.events(after, resourceId=self.path())

    def are_ready(self, *ids: int, is_healthy: bool = False) -> bool:
        """Whether exactly these instances are there, run and are provisioned (and healthy)."""
        there = self.instances()
        wanted = {"ProvisioningState/succeeded", "PowerState/running"}
        wanted |= {"HealthState/healthy"} if is_healthy else set()
        return sorted(there) == sorted(ids) and all(wanted <= codes_of(each) for each in there.values())

    def wait_ready(self, *ids: int, is_healthy: bool = False, within_s: float = DEADLINE_S) -> None:
        what = f"{self.name} has the ready instances {ids}"
        try:
            wait_for(lambda: self.are_ready(*ids, is_healthy=is_healthy), what, within_s)
        except AssertionError as error:
            there = {number: sorted(codes_of(each)) for number, each in self.instances().items()}
            raise AssertionError(f"{error}; there are {there}") from None

    # Inside the guests

    def fetch(self, number: int, path: str = "/", port: int = 80) -> str:
        """A page of the guest, asked from the controller namespace."""
        return fetch(self.daemon.lab, f"http://{self.address(number)}:{port}{path}")

    def run(self, number: int | str, command: str) -> str:
        """A command as root, with the daemon's own key and the recorded host key. It must succeed."""
        return self.ssh(number, command, "root", self.daemon.agent_key())

    def ssh(
        self, number: int | str, command: str, user: str, key: paramiko.PKey, host_key: str | None = None
    ) -> str:
        connection = self.connection(number)
        pinned = host_key or str(connection["hostKey"])
        guest = GuestAddress(f"{self.name}_{number}", connection["address"], user, pinned, "")
        return ssh(self.daemon.lab, guest, key, command)

    def boot_id(self, number: int) -> str:
        return self.run(number, "cat /proc/sys/kernel/random/boot_id").strip()


def codes_of(instance: Json) -> set[str]:
    """The status codes of an instance, its application health among them."""
    view = instance["properties"]["instanceView"]
    health = view.get("vmHealth", {}).get("status", {}).get("code")
    return {status["code"] for status in view["statuses"]} | ({health} if health else set())


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def fetch(lab: Lab, url: str, timeout_s: float = 10.0) -> str:
    def ask() -> str:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            return str(answer.read().decode())

    return in_namespace(lab.namespace, ask)


def is_served(lab: Lab, url: str, timeout_s: float = 3.0) -> bool:
    try:
        fetch(lab, url, timeout_s)
    except (OSError, urllib.error.URLError):
        return False
    return True


def ssh(lab: Lab, guest: GuestAddress, key: paramiko.PKey, command: str, port: int = 22) -> str:
    """Run a command over a new connection; whatever the daemon keeps open is not used."""
    sock = in_namespace(lab.namespace, lambda: socket.create_connection((guest.address, port), 20))
    transport = log_in(sock, guest, key)
    try:
        channel = transport.open_session(timeout=30)
        channel.settimeout(60)
        channel.exec_command(command)
        output = channel.makefile("rb").read()
        errors = channel.makefile_stderr("rb").read()
        code = channel.recv_exit_status()
    finally:
        shut(transport, sock)
    assert code == 0, f"'{command}' ended with {code}: {errors.decode(errors='replace')}"
    return str(output.decode(errors="replace"))


@contextlib.contextmanager
def web_server(lab: Lab, pages: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve pages in the controller namespace. Yields the address and the list of paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = pages.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None:
            return

    server = in_namespace(lab.namespace, partial(ThreadingHTTPServer, ("10.90.0.1", 0), Handler))
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield f"http://10.90.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def qemus(lab: Lab) -> list[GuestProcess]:
    """The guests that really run, whatever any libvirt says of them."""
    return [guest for host in lab.status().hosts for guest in host.guests]


def pool_folder(lab: Lab, host: str) -> Path:
    """A host's pool, seen from outside."""
    return Path(f"/proc/{lab.holder(host).pid}/root/var/lib/libvirt/images/vmss")


def holds(path: Path, words: bytes) -> bool:
    """Whether a file has these bytes anywhere; read in pieces that overlap."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        kept = b""
        while piece := file.read(1 << 22):
            if words in kept + piece:
                return True
            kept = piece[-len(words) :]
    return False


def kill_libvirtd(lab: Lab, host: str) -> None:
    """Let only libvirtd die on a host: its guests and its wire stay."""
    for process in lab.holder(host).children():
        if process.name() == "libvirtd":
            process.kill()
            psutil.wait_procs([process], 10)


class Stranger:
    """A guest and a volume on a host that belong to somebody else. Nobody may ever touch them."""

    def __init__(self, lab: Lab, host: str) -> None:
        # As small as QEMU starts; its CPU has nothing to do but cost ours time. Objects keep their connection.
        definition = (
            "<domain type='qemu'><name>web_0.strange</name><memory unit='MiB'>32</memory>"
            "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
        )
        volume = "<volume><name>vmss-elsewhere.img</name><capacity unit='MiB'>1</capacity></volume>"
        connection = libvirt.open(lab.uri(host))
        self._host = host
        self._lab = lab
        connection.storagePoolLookupByName("vmss").createXML(volume)
        domain = connection.defineXML(definition)
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        self._pid = self._find()

    def _find(self) -> int | None:
        return next((each.pid for each in qemus(self._lab) if each.domain == "web_0.strange"), None)

    @property
    def is_untouched(self) -> bool:
        volume = pool_folder(self._lab, self._host) / "vmss-elsewhere.img"
        return self._pid is not None and self._find() == self._pid and volume.exists()


@dataclass(frozen=True)
class User:
    """Someone's key pair: to log in with, as a file has it, and as authorized_keys has it."""

    key: paramiko.PKey
    private: str
    public: str

    @classmethod
    def new(cls) -> User:
        private, public = make_host_key()
        return cls(paramiko.Ed25519Key.from_private_key(io.StringIO(private)), private, public)
