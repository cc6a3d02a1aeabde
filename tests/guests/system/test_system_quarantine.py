"""A guest that gets sick again and again is kept for a look: off, with its disk and its log."""

from __future__ import annotations

import pytest
from bodies import SERVICE_HEALTH, SERVICE_PORT, micro_set, script
from conftest import MakeDaemon, MakeSet
from system import TestedSet, codes_of, pool_folder, qemus, wait_for

from orchestrator.cli.faults import ApiError
from orchestrator.lab import Lab

# It serves for some seconds after its first start and never again.
SICKENING = f"""#!/bin/sh
mkdir -p /srv/www
cat /etc/hostname >/srv/www/index.html
cat >/usr/bin/serve <<'END'
#!/bin/sh
[ ! -e /root/over ] || exec sleep 3600
/usr/sbin/httpd -f -p {SERVICE_PORT} -h /srv/www &
sleep 8
touch /root/over
kill $!
echo the service is over >/dev/console
END
chmod 755 /usr/bin/serve
echo '::respawn:/usr/bin/serve' >>/etc/inittab
kill -HUP 1
"""
REPAIR = {"gracePeriod": "PT1S"}


@pytest.fixture(scope="module")
def failing(make_daemon: MakeDaemon, make_set: MakeSet) -> TestedSet:
    """A set of one whose slot failed twice. Its repairs are suspended then, or it would go on failing for ever."""
    daemon = make_daemon("quarantine", quarantine_after=2, quarantine_most=1)
    daemon.start()
    failing = make_set("failing", micro_set(1, script(SICKENING), SERVICE_HEALTH, repair=REPAIR), daemon)
    wait_for(lambda: "quarantine" in _kinds(failing), "its slot failed twice", 240)
    body = {"serviceName": "AutomaticRepairs", "action": "Suspend"}
    failing.client.send("POST", failing.path("setOrchestrationServiceState"), body=body)
    wait_for(lambda: _is_ready(failing, 2), "another took its place", 60)
    return failing


def _kinds(tested: TestedSet) -> set[str]:
    return {str(event["kind"]) for event in tested.events()}


def _is_ready(tested: TestedSet, number: int) -> bool:
    there = tested.instances()
    return number in there and {"ProvisioningState/succeeded", "PowerState/running"} <= codes_of(there[number])


def test_the_second_failure_is_kept_while_the_first_is_gone(failing: TestedSet) -> None:
    there = failing.instances()
    assert sorted(there) == [1, 2]
    assert {"VmssState/quarantined", "PowerState/stopped"} <= codes_of(there[1])
    assert "VmssState/quarantined" not in codes_of(there[2])
    assert failing.client.get(failing.path())["sku"]["capacity"] == 1
    assert not [name for name in failing.left() if "-0-g" in name or name.startswith("failing_0")]


def test_it_is_off_and_its_disk_and_its_log_are_there(failing: TestedSet, lab: Lab) -> None:
    assert not [each for each in qemus(lab) if each.domain.startswith("failing_1.")]
    entries = [each for each in failing.daemon.census("owned") if each["instance"] == "failing_1"]
    disks = [each for each in entries if each["kind"] == "volume" and each["name"].endswith("-disk.qcow2")]
    assert len(disks) == 1
    assert (pool_folder(lab, disks[0]["host"]) / disks[0]["name"]).stat().st_size > 1 << 20
    assert not failing.daemon.strays()
    console = failing.daemon.vmss("console", "failing", "1", "-g", "tests")
    assert "the service is over" in console.stdout, console


def test_people_see_it_in_the_list_and_can_do_nothing_but_delete_it(failing: TestedSet) -> None:
    listed = failing.daemon.vmss("list-instances", "failing", "-g", "tests").stdout
    assert "repeated failures" in listed
    with pytest.raises(ApiError, match="In quarantine"):
        failing.post("start", 1)
    with pytest.raises(ApiError, match="In quarantine"):
        failing.client.send("POST", failing.path("virtualMachines", "1", "restart"))


def test_deleting_it_takes_all_of_it_and_leaves_the_capacity(failing: TestedSet) -> None:
    assert [name for name in failing.left("volume") if "-1-g1-" in name]
    failing.do("delete", 1)
    assert failing.ids() == [2]
    assert not [name for name in failing.left() if "-1-g1-" in name or name.startswith("failing_1.")]
    assert failing.client.get(failing.path())["sku"]["capacity"] == 1
