"""Hooks for schemathesis, run by its own Python: they lead the storm to what exists, and keep it inside the room.

Without them nearly every request would end in 404: half of the names are replaced by those of a world that the test
made before. What the storm may lose (a set, a group, a principal) has names of its own, so that the rest stays.

The environment says where things are: ``VMSS_FUZZ_WORLD`` the names, ``VMSS_FUZZ_REPORT`` the file for the counts.
"""

from __future__ import annotations

import atexit
import copy
import json
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import requests
import schemathesis

_WORLD: dict[str, Any] = json.loads(Path(os.environ["VMSS_FUZZ_WORLD"]).read_text())
_REPORT = Path(os.environ["VMSS_FUZZ_REPORT"])
_CHOICE = random.Random(int(os.environ["VMSS_FUZZ_SEED"]))
_LOCK = threading.Lock()
_STATUSES: Counter[str] = Counter()
_SLOWEST: dict[str, Any] = {"seconds": 0.0}
_CAPACITY_MAX = 3
_OF_LOGINS = ("/token", "/.well-known/openid-configuration", "/keys")  # their errors are OAuth's (RFC 6749 5.2)
_LOOK_EVERY_S = 1.0
_INSTANCES: dict[str, Any] = {"until": 0.0, "names": {}}
_HTTP = requests.Session()
_HTTP.trust_env = False
_HTTP.verify = _WORLD["caFile"]
_HTTP.headers["Authorization"] = f"Bearer {_WORLD['token']}"


def _is_loss(case: Any) -> bool:
    """Whether it ends what the rest of the storm goes on from."""
    is_own = "/Vmss.Local/" in case.path and case.method.upper() != "GET"
    return is_own or case.method.upper() == "DELETE"


def _names(case: Any, parameter: str) -> list[str]:
    """Those that may stand here: what a request ends must be meant to end."""
    kind = case.path.partition(f"/{{{parameter}}}")[0].rpartition("/")[2]
    if kind == "virtualMachines":
        return _instances(case.path_parameters.get("vmScaleSetName", "flex"))
    there, spare = (_WORLD[pool].get(kind, []) for pool in ("there", "spare"))
    is_target = case.path.endswith(f"{{{parameter}}}") or "/Vmss.Local/" in case.path
    return spare if spare and is_target and _is_loss(case) else [*there, *spare]


def _instances(of_set: str) -> list[str]:
    """Those that are there now: they come and go in the storm, which takes care that there are some."""
    if time.monotonic() > _INSTANCES["until"]:
        for name, path in _WORLD["sets"].items():
            found = _HTTP.get(_WORLD["endpoint"] + path["list"], timeout=20).json().get("value", [])
            _INSTANCES["names"][name] = [each["instanceId"] for each in found]
            if len(found) < _CAPACITY_MAX:
                sku = {"sku": {"capacity": _CAPACITY_MAX}}
                _HTTP.patch(_WORLD["endpoint"] + path["set"], json=sku, timeout=20)
        _INSTANCES["until"] = time.monotonic() + _LOOK_EVERY_S
    return list(_INSTANCES["names"].get(of_set, []))


def _lead(case: Any) -> None:
    for parameter in list(case.path_parameters or {}):
        names = _names(case, parameter)
        must_stay = _is_loss(case) and str(case.path_parameters[parameter]).lower() in _WORLD["kept"]
        if names and (must_stay or _CHOICE.random() < 0.93):
            case.path_parameters[parameter] = _CHOICE.choice(names)


def _within_the_room(value: Any) -> Any:
    """Small capacities: what is to be tried is the API, not how many guests fit."""
    if isinstance(value, dict):
        return {key: _small(key, inner) for key, inner in value.items()}
    return [_within_the_room(each) for each in value] if isinstance(value, list) else value


def _small(key: str, value: Any) -> Any:
    if key.lower() == "capacity" and isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value % _CAPACITY_MAX + 1
    if key.lower() == "uri" and isinstance(value, str):
        return "simulated:///"  # never a host that somebody else has
    return _within_the_room(value)


def _mixed(good: Any, wild: Any) -> Any:
    """``good`` with one member, somewhere, as ``wild`` has it."""
    if not isinstance(good, dict) or not isinstance(wild, dict) or not wild:
        return wild
    made, key = copy.deepcopy(good), _CHOICE.choice(sorted(wild))
    is_deeper = key in made and _CHOICE.random() < 0.8
    made[key] = _mixed(made[key], wild[key]) if is_deeper else wild[key]
    return made


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """The last word before a request is sent."""
    with _LOCK:
        _lead(case)
        good = _WORLD["bodies"].get(f"{case.method.upper()} {case.path}")
        if isinstance(case.body, dict):
            if good and _CHOICE.random() < 0.7:
                case.body = _mixed(good, case.body)
            case.body = _within_the_room(case.body)
            if "complete" in json.dumps(case.body).lower() and "resourceGroupName" in case.path_parameters:
                case.path_parameters["resourceGroupName"] = _CHOICE.choice(_WORLD["spare"]["resourceGroups"])
        if isinstance(case.query, dict) and "waitSeconds" in case.query:
            case.query["waitSeconds"] = 0


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    seconds = response.elapsed
    with _LOCK:
        _STATUSES[f"{case.method.upper()} {response.status_code}"] += 1
        if seconds > _SLOWEST["seconds"]:
            _SLOWEST.update(seconds=seconds, request=f"{case.method} {case.path}")


@schemathesis.check
def every_error_is_the_envelope(ctx: Any, response: Any, case: Any) -> bool | None:
    if response.status_code < 400 or case.method.upper() == "HEAD":
        return None
    body = response.json()
    if case.path.endswith(_OF_LOGINS) and set(body) >= {"error", "error_description"}:
        return None
    error = body["error"]
    assert list(body) == ["error"], body
    assert error["code"] and error["message"], body
    assert set(error) <= {"code", "message", "target", "details"}, body
    return None


@schemathesis.check
def what_begins_says_where_it_goes_on(ctx: Any, response: Any, case: Any) -> bool | None:
    """202 is empty, without a kind of content, and leads on by whole seconds (RFC 9110; azure-core's poller)."""
    if response.status_code != 202:
        return None
    names = {name.lower(): values for name, values in response.headers.items()}
    assert not response.content, response.content[:200]
    assert "content-type" not in names, names
    assert "location" in names, names
    assert int(names["retry-after"][0]) >= 1, names
    return None


def _write() -> None:
    total = sum(_STATUSES.values())
    _REPORT.write_text(json.dumps({"requests": total, "statuses": dict(_STATUSES), "slowest": _SLOWEST}))


atexit.register(_write)
