"""What a template may cost, what its errors may tell, and what a body such as az sends comes to."""

from __future__ import annotations

import time
from typing import Any

import pytest

from orchestrator.errors import BadInput
from orchestrator.templates.evaluation import make_scope
from orchestrator.templates.jsonc import read_json
from orchestrator.templates.outputs import evaluate_outputs
from orchestrator.templates.parameters import bind_parameters
from orchestrator.templates.resources import ResourceNode, expand
from orchestrator.templates.scope import Place, Scope, evaluate
from orchestrator.templates.syntax import parse
from orchestrator.templates.template import Template, load_template

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
GROUP = "/subscriptions/S/resourceGroups/rg"
PLACE = Place(
    subscription={"id": "/subscriptions/S", "subscriptionId": "S"},
    group={"id": GROUP, "name": "rg", "location": "local"},
    deployment={"name": "d"},
    environment={"name": "vmss"},
    tenant={"tenantId": "T"},
    api_versions=lambda _kind: ("2026-04-01",),
)


def bound(values: dict[str, Any] | None = None, **parts: Any) -> tuple[Template, Scope]:
    template = load_template({"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": [], **parts})
    given = {name: {"value": value} for name, value in (values or {}).items()}
    parameters = bind_parameters(template.parameters, given)
    return template, make_scope(template, parameters, PLACE, now=0.0, new_guid=lambda: "a-guid")


def nodes(*resources: Any, **parts: Any) -> list[ResourceNode]:
    return expand(*bound(resources=list(resources), **parts))


def resource(name: str, kind: str = "A.B/c", **members: Any) -> dict[str, Any]:
    return {"type": kind, "apiVersion": "2024-11-01", "name": name, **members}


def _doubling(times: int) -> dict[str, Any]:
    return {f"v{n}": [f"[variables('v{n - 1}')]"] * 2 if n else "x" for n in range(times)}


def _chain(length: int) -> dict[str, Any]:
    return {f"v{n}": f"[variables('v{n - 1}')]" if n else "x" for n in range(length)}


def _loop(name: str, count: int, inner: Any) -> dict[str, Any]:
    return {"copy": [{"name": name, "count": count, "input": inner}]}


LOOPS = "[length(map(range(0, 9999), lambda('a', length(map(range(0, 9999), lambda('b', 1))))))]"
GROWING = "[reduce(range(0, 99), 'ab', lambda('a', 'b', concat(lambdaVariables('a'), lambdaVariables('a'))))]"
REPLACING = "[replace(replace(padLeft('', 9999, 'a'), 'a', padLeft('', 9999, 'a')), 'a', 'bbbbbbbbbb')]"
DEEP = "[reduce(range(0, 999), 1, lambda('a', 'b', createArray(lambdaVariables('a'))))]"
SQUARING = "[reduce(range(0, 99), 9, lambda('a', 'b', mul(lambdaVariables('a'), lambdaVariables('a'))))]"


@pytest.mark.parametrize(
    ("expression", "variables", "words"),
    [
        (LOOPS, {}, "too much work"),
        (GROWING, {}, "too large"),
        (REPLACING, {}, "too large"),
        (DEEP, {}, "too large"),
        (SQUARING, {}, "64 bits"),
        ("[variables('v39')]", _doubling(40), "too large"),
        ("[variables('v200')]", _chain(201), "deeper than 40"),
        (f"[resourceGroup(){'.a' * 9000}]", {}, "nested too deeply"),
        (f"[{'not(' * 900}true(){')' * 900}]", {}, "nested too deeply"),
        ("[base64ToString('AA==')]", {}, "NUL"),
        ("[json('[1e999]')]", {}, "not JSON"),
    ],
)
def test_what_grows_beyond_reason_is_refused_soon(expression: str, variables: Any, words: str) -> None:
    _, scope = bound(variables=variables)
    begin = time.process_time()
    with pytest.raises(BadInput, match=words) as refused:
        evaluate(expression, scope)
    assert refused.value.code == "InvalidTemplate"
    assert time.process_time() - begin < 20  # each would take hours, or all memory


def test_loops_inside_loops_are_refused_where_the_resource_is_evaluated() -> None:
    inside = _loop("x", 800, _loop("y", 800, _loop("z", 800, 1)))
    [node] = nodes(resource("a", properties=inside))
    with pytest.raises(BadInput, match="too much work"):
        node.body()


def test_resources_that_a_condition_leaves_out_count_as_well() -> None:
    child = resource("[concat('k', copyIndex('m'))]", "d", copy={"name": "m", "count": 800})
    parents = {"name": "l", "count": 800}
    with pytest.raises(BadInput, match="at most 800"):
        nodes(resource("[concat('p', copyIndex())]", copy=parents, condition=False, resources=[child]))


@pytest.mark.parametrize(
    "expression",
    [
        "[int(parameters('p'))]",
        "[bool(parameters('p'))]",
        "[length(int(parameters('p')))]",
        "[dateTimeToEpoch(parameters('p'))]",
        "[dateTimeAdd('2020-04-07T14:53:14Z', parameters('p'))]",
        "[json(parameters('p'))]",
        "[base64ToString(parameters('p'))]",
        "[parseCidr(parameters('p'))]",
        "[createObject('a', 1)[parameters('p')]]",
        "[if(parameters('p'), 1, 2)]",
        "[createArray(1)[parameters('p')]]",
    ],
)
def test_an_error_never_tells_what_a_secure_parameter_holds(expression: str) -> None:
    _, scope = bound({"p": "hunter2"}, parameters={"p": {"type": "securestring"}})
    with pytest.raises(BadInput) as refused:
        evaluate(expression, scope)
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"resources": {"s": resource("x")}}, "languageVersion"),
        ({"languageVersion": "9.9"}, "languageVersion"),
        ({"variables": {"a": 1, "A": 2}}, "twice"),
        ({"parameters": {"a": {"type": "int"}, "A": {"type": "int"}}}, "twice"),
        ({"$schema": "https://example.org/other.json"}, "schema"),
        ({"contentVersion": 1}, "contentVersion"),
        ({"nonsense": {}}, "nonsense"),
        ({"resources": [{"type": "A.B/c", "name": "x"}]}, "apiversion"),
        ({"definitions": {"t": {"type": "string"}}}, "definitions"),
        ({"functions": [{"namespace": "my", "members": {"f": {"parameters": 5, "output": {}}}}]}, "array"),
    ],
)
def test_a_template_of_the_wrong_shape_is_refused_by_name(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words) as refused:
        bound(**parts)
    assert refused.value.code == "InvalidTemplate"
    assert refused.value.target


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([1], "must be an object"),
        ("x", "must be an object"),
        ({"a": 1}, "given as"),
        ({"a": {"reference": {"keyVault": {}, "secretName": "s"}}}, "'reference'"),
        ({"a": {"value": 1}, "A": {"value": 2}}, "given twice"),
        ({"a": {"value": True}}, "not of type 'int'"),
        ({"a": {}}, "not provided"),
    ],
)
def test_parameters_that_are_given_wrongly_are_refused(given: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        bind_parameters({"a": {"type": "int"}}, given)


def test_a_reference_has_its_place_in_resources_and_outputs_alone() -> None:
    with pytest.raises(BadInput, match="'reference' can only be used"):
        bound(parameters={"p": {"type": "string", "defaultValue": "[reference('x').y]"}})
    [node] = nodes(resource("a", tags={"t": "[variables('v')]"}), variables={"v": "[reference('x').y]"})
    with pytest.raises(BadInput, match="'reference' can only be used"):
        node.body(lambda _name, _full: {"y": "z"})


def test_a_reference_inside_a_loop_over_a_property_is_a_dependency() -> None:
    loop = _loop("x", 2, "[reference(concat('b', copyIndex('x'))).c]")
    made = nodes(resource("a", properties=loop), resource("b0"), resource("b1"), resource("b2"))
    assert made[0].waits_for == {1, 2}


def test_a_circle_is_named_without_those_who_only_wait_for_it() -> None:
    with pytest.raises(BadInput) as refused:
        nodes(
            resource("z", dependsOn=["a"]),
            resource("a", dependsOn=["b"]),
            resource("b", dependsOn=["a"]),
        )
    assert refused.value.message.endswith(": A.B/c/a -> A.B/c/b -> A.B/c/a.")


@pytest.mark.parametrize(
    ("before", "each", "after"), [("resourceGroup()", ".a", ""), ("", "not(", "true()"), ("", "array(", "1")]
)
def test_an_expression_nests_as_deep_as_the_limit_and_no_deeper(before: str, each: str, after: str) -> None:
    def text(depth: int) -> str:
        return f"[{before}{each * depth}{after}{')' * depth if each.endswith('(') else ''}]"

    parse(text(60))
    with pytest.raises(BadInput, match="cannot be read at position"):
        parse(text(61))


def test_an_index_is_that_of_the_loop_that_is_named() -> None:
    _, scope = bound()
    inside = scope.inside_loop("outer", 2).inside_loop("inner", 7)
    assert evaluate("[createArray(copyIndex('OUTER'), copyIndex('inner'), copyIndex())]", inside) == [2, 7, 7]
    with pytest.raises(BadInput, match="copyIndex"):
        evaluate("[copyIndex('other')]", inside)


def test_nested_templates_keep_their_own_expressions_or_are_evaluated_whole() -> None:
    inner = {"outputs": {"o": {"type": "string", "value": "[variables('v')]"}}}

    def properties(scope: str | None) -> Any:
        options = {"expressionEvaluationOptions": {"scope": scope}} if scope else {}
        made = {"mode": "Incremental", "template": inner, **options}
        [node] = nodes(resource("n", "Microsoft.Resources/deployments", properties=made), variables={"v": "[[x]"})
        return node.body()["properties"]["template"]["outputs"]["o"]["value"]

    assert properties("inner") == "[variables('v')]"
    assert properties(None) == properties("outer") == "[[x]"  # text, also for the one that is nested


# As `az vmss create` puts it together: types in inconsistent case, references by id, by expression and by name.
AZ_BODY = """{"properties": {"mode": "incremental", "parameters": {"word": {"value": "s3cret"}}, template: {
  // az pastes the text of a file as it is
  "$schema": "https://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0", "variables": {}, "parameters": {"word": {"type": "securestring"}},
  "resources": [
    {"type": "Microsoft.Compute/virtualMachineScaleSets", "name": "web", "apiVersion": "2026-04-01",
     "location": "local", "tags": {}, "sku": {"name": "Standard_B1s", "capacity": 2},
     "dependsOn": ["Microsoft.Network/virtualNetworks/webVNET",
       "[concat('Microsoft.Network/loadBalancers/', 'webLB')]"],
     "properties": {"singlePlacementGroup": null, "virtualMachineProfile": {
       "osProfile": {"adminPassword": "[parameters('word')]", "customData": "one
two"},
       "networkProfile": {"id": "[resourceId('Microsoft.Network/networkSecurityGroups', 'webNSG')]"}}}},
    {"type": "Microsoft.Network/loadBalancers/inboundNatRules", "name": "webLB/NatRule", "apiVersion": "2022-01-01",
     "dependsOn": ["[concat('Microsoft.Network/loadBalancers/', 'webLB')]"], "properties": {"protocol": "tcp",
       "id": "[concat(resourceId('Microsoft.Network/loadBalancers', 'webLB'),
         '/frontendIPConfigurations/', 'fe')]"}},
    {"type": "Microsoft.Network/loadBalancers", "name": "webLB", "apiVersion": "2022-01-01",
     "dependsOn": ["Microsoft.Network/virtualNetworks/webVNET", "Microsoft.Network/publicIpAddresses/webPublicIP"]},
    {"type": "Microsoft.Network/publicIPAddresses", "name": "webPublicIP", "apiVersion": "2022-01-01"},
    {"type": "Microsoft.Network/virtualNetworks", "name": "webVNET", "apiVersion": "2015-06-15", "dependsOn": []},
  ],
  "outputs": {"VMSS": {"type": "object", "value": "[reference(
    resourceId('Microsoft.Compute/virtualMachineScaleSets', 'web'),
    providers('Microsoft.Compute', 'virtualMachineScaleSets').apiVersions[0])]"}} /* the end */ }}}"""


def test_a_body_of_az_comes_to_resources_in_order_and_an_output() -> None:
    properties = read_json(AZ_BODY)["properties"]
    template = load_template(properties["template"])
    parameters = bind_parameters(template.parameters, properties["parameters"])
    scope = make_scope(template, parameters, PLACE, now=0.0, new_guid=lambda: "a-guid")
    web, rule, balancer, address, network = made = expand(template, scope)
    assert [set(node.waits_for) for node in made] == [{2, 4}, {2}, {3, 4}, set(), set()]
    assert (address.waits_for, network.waits_for) == (frozenset(), frozenset())
    assert rule.identity.names == ("webLB", "NatRule")
    assert balancer.identity.type == "Microsoft.Network/loadBalancers"
    assert rule.body()["properties"] == {
        "protocol": "tcp",
        "id": f"{GROUP}/providers/Microsoft.Network/loadBalancers/webLB/frontendIPConfigurations/fe",
    }
    profile = web.body()["properties"]["virtualMachineProfile"]
    assert profile["osProfile"] == {"adminPassword": "s3cret", "customData": "one\ntwo"}
    assert web.body()["properties"]["singlePlacementGroup"] is None
    assert parameters.secure == {"word"}
    asked: list[str] = []

    def refer(name: str, _is_full: bool) -> Any:
        asked.append(name)
        return {"provisioningState": "Succeeded"}

    outputs = evaluate_outputs(template, scope, refer)
    assert outputs == {"vmss": {"type": "Object", "value": {"provisioningState": "Succeeded"}}}
    assert asked == [f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/web"]
