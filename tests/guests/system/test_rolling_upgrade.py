"""Upgrades on real guests: batches that nobody notices, a bad model that stops at the first of them and goes back,
and the two modes without batches."""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bodies import health, micro_set, script
from conftest import MakeDaemon, MakeSet
from system import Daemon, Json, TestedSet, codes_of, in_namespace, wait_for

from orchestrator.cli.faults import ApiError
from orchestrator.images.build import DEFAULT_FOLDER
from orchestrator.images.catalogue import Catalogue
from orchestrator.lab import Lab

PATH = "/cgi-bin/page"
HEALTH = health(protocol="http", port=80, requestPath=PATH)
SETTLE_S = 15.0
UPGRADED = "MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade"
POLICY = {
    "maxBatchInstancePercent": 25,
    "maxUnhealthyInstancePercent": 50,
    "maxUnhealthyUpgradedInstancePercent": 0,
    "pauseTimeBetweenBatches": "PT1S",
    "enableCrossZoneUpgrade": True,
    "rollbackFailedInstancesOnPolicyBreach": True,
    "rollbackModelOnPolicyBreach": True,
}


def page(version: str, status: str = "200 OK") -> Json:
    """The script that puts a page into place while the web server serves: by a rename, so there is always one."""
    return script(f"""#!/bin/sh
set -e
mkdir -p /var/www/cgi-bin
cat >/var/www/cgi-bin/.new <<'END'
#!/bin/sh
printf 'HTTP/1.0 {status}\\r\\nContent-Type: text/plain\\r\\n\\r\\n{version}\\n'
END
chmod 755 /var/www/cgi-bin/.new
mv /var/www/cgi-bin/.new /var/www{PATH}
""")


def with_page(version: str, status: str = "200 OK") -> Json:
    """The part of the body that changes the page."""
    extensions = [page(version, status), HEALTH]
    return {"properties": {"virtualMachineProfile": {"extensionProfile": {"extensions": extensions}}}}


@dataclass
class Visitor:
    """Asks, without a pause, just those instances that the API calls healthy. What they answered is kept by id."""

    answers: dict[int, list[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def count(self) -> int:
        return sum(len(answers) for answers in self.answers.values())

    def ask_on(self, one: TestedSet) -> None:
        client = one.daemon.new_client()
        while not self.is_over.is_set():
            for number, instance in one.instances(client).items():
                if "HealthState/healthy" in codes_of(instance):
                    self._ask(number, instance["properties"]["instanceView"]["privateIPAddress"])
        client.close()

    def _ask(self, number: int, address: str) -> None:
        try:
            with urllib.request.urlopen(f"http://{address}{PATH}", timeout=10) as answer:
                self.answers.setdefault(number, []).append(answer.read().decode().strip())
        except (OSError, urllib.error.URLError) as error:
            self.failures.append(f"{time.strftime('%H:%M:%S')} {number}: {error}")


@contextmanager
def visiting(one: TestedSet, lab: Lab) -> Iterator[Visitor]:
    visitor = Visitor()
    thread = threading.Thread(target=in_namespace, args=(lab.namespace, lambda: visitor.ask_on(one)))
    thread.start()
    try:
        yield visitor
    finally:
        visitor.is_over.set()
        thread.join(30)
    assert not thread.is_alive()


def latest(one: TestedSet) -> Json:
    return dict(one.client.get(one.path("rollingUpgrades", "latest"))["properties"])


def pages(one: TestedSet) -> dict[int, str]:
    return {number: one.fetch(number, PATH).strip() for number in one.ids()}


def are_latest(one: TestedSet) -> dict[int, bool]:
    return {number: each["properties"]["latestModelApplied"] for number, each in one.instances().items()}


@pytest.fixture(scope="module")
def rolling(make_daemon: MakeDaemon, make_set: MakeSet) -> TestedSet:
    """Four guests that serve version 1, in a set that is upgraded one after the other."""
    daemon: Daemon = make_daemon("rolling", upgrade_settle_s=SETTLE_S)
    daemon.start()
    policy = {"mode": "Rolling", "rollingUpgradePolicy": POLICY}
    one = make_set("rolling", micro_set(4, page("version 1"), HEALTH, upgradePolicy=policy), on=daemon)
    one.wait_ready(0, 1, 2, 3, is_healthy=True, within_s=180)
    return one


def test_a_rolling_upgrade_fails_no_request(rolling: TestedSet, lab: Lab) -> None:
    with visiting(rolling, lab) as visitor:
        wait_for(lambda: len(visitor.answers) == 4, "all four are asked")
        rolling.wait(rolling.patch(with_page("version 2")), within_s=180)
        rolling.wait_ready(0, 1, 2, 3, is_healthy=True)
        wait_for(lambda: all(said[-1] == "version 2" for said in visitor.answers.values()), "all serve version 2")
    assert visitor.failures == []
    assert visitor.count > 100
    for number, said in visitor.answers.items():
        assert said == sorted(said), f"{number} never goes back"
        assert set(said) == {"version 1", "version 2"}, f"{number} served before and after"
    shown = latest(rolling)
    assert shown["runningStatus"]["code"] == "Completed"
    assert shown["progress"]["successfulInstanceCount"] == 4
    batches = [each["reason"] for each in rolling.events() if "batch" in each["reason"]]
    assert sum(reason.startswith("batch") and "of the rolling upgrade" in reason for reason in batches) == 4


def test_a_bad_model_stops_at_its_first_batch_and_everything_goes_back(rolling: TestedSet, lab: Lab) -> None:
    wait_for(lambda: any(each["kind"] == "prove_model" for each in rolling.events()), "version 2 is proven")
    generations = {number: rolling.boot_id(number) for number in rolling.ids()}
    with pytest.raises(ApiError) as failure:
        rolling.wait(rolling.patch(with_page("version 3", "500 Internal Server Error")), within_s=240)
    assert failure.value.code == UPGRADED
    shown = latest(rolling)
    assert (shown["runningStatus"]["code"], shown["error"]["code"]) == ("Faulted", UPGRADED)
    [failed] = shown["error"]["details"]
    assert shown["progress"]["failedInstanceCount"] == 1, "no second instance was touched"
    rolling.wait_ready(0, 1, 2, 3, is_healthy=True)
    assert set(pages(rolling).values()) == {"version 2"}
    assert all(are_latest(rolling).values()), "the set's own model is that of version 2 again"
    rebooted = [number for number, boot in generations.items() if rolling.boot_id(number) != boot]
    assert [f"rolling_{number}" for number in rebooted] == [failed["target"]], "only that one has a new disk"
    rolling.delete()


@pytest.fixture(scope="module")
def one(make_set: MakeSet) -> TestedSet:
    made = make_set("modes", micro_set(1, page("version 1"), HEALTH, upgradePolicy={"mode": "Manual"}))
    made.wait_ready(0, is_healthy=True)
    return made


def test_in_manual_mode_nothing_happens_before_it_is_asked_for(one: TestedSet) -> None:
    one.wait(one.patch(with_page("version 2")))
    wait_for(lambda: any("mode is Manual" in each["reason"] for each in one.events()), "it is told who is behind")
    assert are_latest(one) == {0: False}
    assert pages(one) == {0: "version 1"}
    boot = one.boot_id(0)
    asked = one.daemon.vmss("update-instances", one.name, "-g", one.ref.group, "--instance-ids", "0")
    assert asked.returncode == 0, asked.stderr
    assert pages(one) == {0: "version 2"}
    assert are_latest(one) == {0: True}
    assert one.boot_id(0) == boot, "by the least that does it"
    [told] = [each["reason"] for each in one.events() if "was asked for, in place" in each["reason"]]
    assert "extensions[setup]" in told


def test_a_switch_to_automatic_mode_applies_what_waits_and_what_comes(one: TestedSet) -> None:
    one.wait(one.patch(with_page("version 3")))
    assert pages(one) == {0: "version 2"}
    one.wait(one.patch({"properties": {"upgradePolicy": {"mode": "Automatic"}}}))
    wait_for(lambda: pages(one) == {0: "version 3"}, "what waited is applied")
    one.wait(one.patch(with_page("version 4")))
    wait_for(lambda: pages(one) == {0: "version 4"}, "what comes is applied")
    wait_for(lambda: are_latest(one) == {0: True}, "it is on the newest model")


def test_a_newer_image_comes_by_itself_to_a_set_that_follows_it(
    make_daemon: MakeDaemon, make_set: MakeSet, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    newest = Catalogue(DEFAULT_FOLDER).show("micro")
    shutil.copytree(DEFAULT_FOLDER / "micro" / newest.version, images / "micro" / newest.version)
    daemon: Daemon = make_daemon("images", upgrade_settle_s=SETTLE_S, images_dir=str(images))
    daemon.start()
    policy = {"automaticOSUpgradePolicy": {"enableAutomaticOSUpgrade": True}}
    one = make_set("follows", micro_set(1, page("version 1"), HEALTH, upgradePolicy=policy), on=daemon)
    one.wait_ready(0, is_healthy=True)
    address, next_version = one.address(0), f"{newest.version}1"
    _publish(images, newest.version, next_version)

    def history() -> list[Json]:
        found = one.client.get(one.path("osUpgradeHistory"))["value"]
        return [each["properties"] for each in found if each["properties"]["runningStatus"]["code"] == "Completed"]

    [upgrade] = wait_for(history, "the upgrade is in the history", 150)
    assert upgrade["targetImageReference"]["exactVersion"] == next_version
    assert (upgrade["startedBy"], upgrade["progress"]["successfulInstanceCount"]) == ("Platform", 1)
    one.wait_ready(0, is_healthy=True)
    image = one.instances()[0]["properties"]["storageProfile"]["imageReference"]
    assert image["exactVersion"] == next_version
    assert one.address(0) == address
    assert pages(one) == {0: "version 1"}, "its extensions ran on the new disk"


def _publish(images: Path, version: str, newer: str) -> None:
    """The same image once more, as a newer version: made aside and put into place at once."""
    aside = images / ".aside"
    shutil.copytree(images / "micro" / version, aside)
    description = json.loads((aside / "image.json").read_text())
    (aside / "image.json").write_text(json.dumps({**description, "version": newer}))
    aside.rename(images / "micro" / newer)
