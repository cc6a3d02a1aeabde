"""A day's work with azure-mgmt-compute and azure-identity. Run by the environment of clients, not by pytest.

After each step it prints what it saw as a line of JSON, and waits for a line: meanwhile the test looks around.
"""

import json
import os
import sys

from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient

owner = json.loads(os.environ["VMSS_OWNER"])
body = json.loads(os.environ["VMSS_BODY"])
page = json.loads(os.environ["VMSS_PAGE"])
group, name = os.environ["VMSS_GROUP"], os.environ["VMSS_NAME"]
credential = ClientSecretCredential(
    owner["tenantId"], owner["clientId"], owner["clientSecret"], authority=f"{owner['endpoint']}/adfs"
)
client = ComputeManagementClient(credential, owner["subscriptionId"], base_url=owner["endpoint"])
sets, instances = client.virtual_machine_scale_sets, client.virtual_machine_scale_set_vms


def step(what: str, **saw: object) -> None:
    print(json.dumps({"step": what, **saw}), flush=True)
    assert sys.stdin.readline().strip() == "go"


def ids() -> list[str]:
    return sorted(each.instance_id for each in instances.list(group, name))


made = sets.begin_create_or_update(group, name, body).result()
step("created", state=made.provisioning_state, ids=ids())
sets.begin_update(
    group, name, {"sku": {"name": body["sku"]["name"], "capacity": 3}, "tags": {"by": "sdk"}}
).result()
step("scaled", ids=ids(), tags=sets.get(group, name).tags)
instances.begin_restart(group, name, "0").result()
step("restarted")
instances.begin_power_off(group, name, "0").result()
view = instances.get_instance_view(group, name, "0")
step("stopped", codes=[each.code for each in view.statuses])
instances.begin_start(group, name, "0").result()
instances.begin_deallocate(group, name, "1").result()
step("deallocated")
sets.begin_start(group, name).result()
instances.begin_reimage(group, name, "0").result()
step("reimaged")
said = instances.begin_run_command(
    group, name, "0", {"commandId": "RunShellScript", "script": ["echo said by $(hostname)"]}
).result()
step("ran", message=said.value[0].message)
client.virtual_machine_scale_set_extensions.begin_create_or_update(group, name, "page", page).result()
sets.begin_update_instances(group, name, {"instanceIds": ["*"]}).result()
step("extended")
upgrades = client.virtual_machine_scale_set_rolling_upgrades
upgrades.begin_start_os_upgrade(group, name).result()
latest = upgrades.get_latest(group, name)
step("upgraded", code=str(latest.running_status.code))
summary = sets.get_instance_view(group, name).virtual_machine.statuses_summary
step("viewed", codes=[each.code for each in summary])
instances.begin_delete(group, name, "2").result()
step("one is deleted", ids=ids())
sets.begin_delete(group, name).result()
step("deleted", left=[each.name for each in sets.list(group)])
