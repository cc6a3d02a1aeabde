"""A daemon for the command line to talk to: it stores facts, answers like the API, and logs every request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx

SUBSCRIPTION = "00000000-0000-0000-0000-00000000a001"
OWN = "/providers/Vmss.Local"
_GROUP = re.compile(r"^/subscriptions/[^/]+/resourceGroups/(?P<name>[^/]+)$")
_SET = re.compile(
    r"^/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/Microsoft.Compute/virtualMachineScaleSets"
    r"(?:/(?P<name>[^/]+)(?P<rest>/.*)?)?$"
)


@dataclass(frozen=True)
class Outcome:
    """What one command line came to."""

    code: int
    out: str
    err: str


Vmss = Callable[..., Outcome]


@dataclass
class FakeClock:
    """Virtual time: sleeping moves it, and ``on_sleep`` may change the world meanwhile."""

    time_s: float = 0.0
    sleeps: list[float] = field(default_factory=list)
    on_sleep: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.time_s

    def sleep(self, seconds: float) -> None:
        assert self.time_s < 100_000, "this wait never ends"
        self.sleeps.append(seconds)
        self.time_s += seconds
        self.on_sleep()


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """As the API merges a put: objects by member, null clears."""
    out = dict(old)
    for key, value in new.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and key != "tags":
            out[key] = merged(out.get(key) or {}, value)
        else:
            out[key] = value
    return out


class FakeDaemon:
    """``polls_until_done`` is how often an operation is still going on when asked."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.sets: dict[tuple[str, str], dict[str, Any]] = {}
        self.instances: dict[str, list[dict[str, Any]]] = {}
        self.own: dict[str, Any] = {}
        self.answers: dict[tuple[str, str], Callable[[Seen], httpx.Response]] = {}
        self.polls_until_done = 1
        self.operation_error: dict[str, Any] | None = None
        self.is_down = False
        self._polls = 0
        self._writes = 0

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def sent(self, method: str) -> list[Seen]:
        return [each for each in self.requests if each.method == method]

    def handle(self, request: httpx.Request) -> httpx.Response:
        if self.is_down:
            raise httpx.ConnectError("[Errno 111] Connection refused")
        body = json.loads(request.content) if request.content else None
        path = unquote(request.url.path)
        seen = Seen(request.method, path, dict(request.url.params), body, dict(request.headers))
        self.requests.append(seen)
        for (method, ending), answer in self.answers.items():
            if seen.method == method and seen.path.endswith(ending):
                return answer(seen)
        return self._own(seen) or self._arm(seen)

    def _own(self, seen: Seen) -> httpx.Response | None:
        if seen.path == f"{OWN}/status":
            status = {"version": "9.9", "location": "local", "subscriptionId": SUBSCRIPTION}
            return httpx.Response(200, json={**status, **self.own.get("status", {})})
        if "/operations/" in seen.path:
            return self._operation()
        if seen.path.startswith(f"{OWN}/"):
            found = self.own.get(seen.path.removeprefix(f"{OWN}/"))
            return httpx.Response(200, json=found) if found is not None else not_found("ResourceNotFound")
        return None

    def _operation(self) -> httpx.Response:
        self._polls += 1
        if self._polls <= self.polls_until_done:
            return httpx.Response(200, json={"name": "op", "status": "InProgress"}, headers={"Retry-After": "1"})
        if self.operation_error:
            return httpx.Response(200, json={"name": "op", "status": "Failed", "error": self.operation_error})
        return httpx.Response(200, json={"name": "op", "status": "Succeeded"})

    def _arm(self, seen: Seen) -> httpx.Response:
        if seen.path == f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachineScaleSets":
            return httpx.Response(200, json={"value": list(self.sets.values())})
        found = _SET.match(seen.path)
        if group := _GROUP.match(seen.path):
            return httpx.Response(200, json={"name": group["name"], "location": "local"})
        if not found:
            return not_found("InvalidResourceType")
        if found["name"] is None:
            mine = [each for (group, _), each in self.sets.items() if group == found["group"]]
            return httpx.Response(200, json={"value": mine})
        key = (found["group"], found["name"])
        if seen.method == "PUT" and not found["rest"]:
            return self._put(key, seen)
        if key not in self.sets:
            return not_found("ResourceNotFound", f"There is no scale set '{found['name']}'.")
        return self._in_set(key, found["rest"] or "", seen)

    def _in_set(self, key: tuple[str, str], rest: str, seen: Seen) -> httpx.Response:
        if seen.method == "GET" and not rest:
            return httpx.Response(200, json=self.sets[key])
        if seen.method == "GET" and rest == "/virtualMachines":
            return httpx.Response(200, json={"value": self.instances.get(key[1], [])})
        if seen.method == "DELETE" and not rest:
            del self.sets[key]
        if seen.method in ("POST", "DELETE"):
            return httpx.Response(202, headers=self.begun())
        return not_found("NotFound")

    def _put(self, key: tuple[str, str], seen: Seen) -> httpx.Response:
        old = self.sets.get(key)
        condition = seen.headers.get("if-match")
        if old is not None and condition not in (None, old["etag"]):
            error = {"code": "PreconditionFailed", "message": "someone was faster"}
            return httpx.Response(412, json={"error": error})
        self.add_set(key[1], key[0], **{k: v for k, v in merged(old or {}, seen.body).items() if k != "name"})
        return httpx.Response(200 if old else 201, json=self.sets[key], headers=self.begun())

    def add_set(self, name: str, group: str = "default", **members: Any) -> dict[str, Any]:
        """Store a set as the API shows it."""
        self._writes += 1
        base = {
            "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Compute"
            f"/virtualMachineScaleSets/{name}",
            "name": name,
            "location": "local",
            "sku": {"name": "Lab_Micro", "capacity": 2},
            "properties": {},
        }
        members.pop("id", None)
        resource = merged(base, members)
        resource["etag"] = f'"{self._writes}"'
        resource["properties"]["provisioningState"] = "Succeeded"
        self.sets[(group, name)] = resource
        return resource

    def begun(self) -> dict[str, str]:
        """Headers of a long-running operation. The host in the URL is one that nobody can reach."""
        self._polls = 0
        url = f"http://no.such.host/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/local"
        return {"Azure-AsyncOperation": f"{url}/operations/op?api-version=2024-11-01", "Retry-After": "1"}


def not_found(code: str, message: str = "not there") -> httpx.Response:
    return httpx.Response(404, json={"error": {"code": code, "message": message}})


def instance(
    number: int, power: str = "running", health: str | None = None, state: str = "Succeeded", **view: Any
) -> dict[str, Any]:
    """One instance as GET …/virtualMachines?$expand=instanceView gives it."""
    statuses = [{"code": f"PowerState/{power}", "displayStatus": f"VM {power}"}]
    live: dict[str, Any] = {"statuses": statuses, **view}
    if health:
        live["vmHealth"] = {"status": {"code": f"HealthState/{health}"}}
    properties = {"provisioningState": state, "instanceView": live, "latestModelApplied": True}
    return {"instanceId": str(number), "name": f"web_{number}", "properties": properties}
