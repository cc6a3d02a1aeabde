// A day's work with @azure/arm-compute and @azure/identity. After each step it prints what it saw as a line of JSON, and
// waits for a line: meanwhile the test looks at the guests.
import { createInterface } from "node:readline";
import { ComputeManagementClient } from "@azure/arm-compute";
import { ClientSecretCredential } from "@azure/identity";

const owner = JSON.parse(process.env.VMSS_OWNER);
// This SDK's models have no member "properties": what REST has there lies beside the name.
const flat = (value) => {
  if (Array.isArray(value)) return value.map(flat);
  if (value === null || typeof value !== "object") return value;
  const { properties = {}, ...rest } = value;
  return Object.fromEntries(Object.entries({ ...rest, ...properties }).map(([name, each]) => [name, flat(each)]));
};
const body = flat(JSON.parse(process.env.VMSS_BODY));
const asked = JSON.parse(process.env.VMSS_PAGE);
const page = { ...flat(asked), type: undefined, typePropertiesType: asked.properties.type };
const [group, name] = [process.env.VMSS_GROUP, process.env.VMSS_NAME];
const credential = new ClientSecretCredential("adfs", owner.clientId, owner.clientSecret, {
  authorityHost: owner.endpoint,
});
const client = new ComputeManagementClient(credential, owner.subscriptionId, { endpoint: owner.endpoint });
const [sets, instances] = [client.virtualMachineScaleSets, client.virtualMachineScaleSetVMs];
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function step(what, saw = {}) {
  console.log(JSON.stringify({ step: what, ...saw }));
  if ((await lines.next()).value?.trim() !== "go") process.exit(1);
}

async function all(pages) {
  const found = [];
  for await (const each of pages) found.push(each);
  return found;
}

const ids = async () => (await all(instances.list(group, name))).map((each) => each.instanceId).sort();

const made = await sets.createOrUpdate(group, name, body);
await step("created", { state: made.provisioningState, ids: await ids() });
await sets.update(group, name, { sku: { name: body.sku.name, capacity: 3 }, tags: { by: "sdk" } });
await step("scaled", { ids: await ids(), tags: (await sets.get(group, name)).tags });
await instances.restart(group, name, "0");
await step("restarted");
await instances.powerOff(group, name, "0");
await step("stopped", { codes: (await instances.getInstanceView(group, name, "0")).statuses.map((each) => each.code) });
await instances.start(group, name, "0");
await instances.deallocate(group, name, "1");
await step("deallocated");
await sets.start(group, name);
await instances.reimage(group, name, "0");
await step("reimaged");
const script = ["echo said by $(hostname)"];
const said = await instances.runCommand(group, name, "0", { commandId: "RunShellScript", script });
await step("ran", { message: said.value[0].message });
await client.virtualMachineScaleSetExtensions.createOrUpdate(group, name, "page", page);
await sets.updateInstances(group, name, { instanceIds: ["*"] });
await step("extended");
await client.virtualMachineScaleSetRollingUpgrades.startOSUpgrade(group, name);
const latest = await client.virtualMachineScaleSetRollingUpgrades.getLatest(group, name);
await step("upgraded", { code: latest.runningStatus.code });
const view = await sets.getInstanceView(group, name);
await step("viewed", { codes: view.virtualMachine.statusesSummary.map((each) => each.code) });
await instances.delete(group, name, "2");
await step("one is deleted", { ids: await ids() });
await sets.delete(group, name);
await step("deleted", { left: (await all(sets.list(group))).map((each) => each.name) });
process.exit(0);
