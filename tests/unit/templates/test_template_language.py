"""The template language: worked examples of its functions, what it refuses, and how resources come out of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import BadInput
from orchestrator.templates import library
from orchestrator.templates.evaluation import make_scope
from orchestrator.templates.jsonc import read_json
from orchestrator.templates.outputs import camel_case, evaluate_outputs
from orchestrator.templates.parameters import bind_parameters
from orchestrator.templates.resources import ResourceNode, expand, no_reference
from orchestrator.templates.scope import NotYet, Place, Scope, evaluate
from orchestrator.templates.syntax import parse
from orchestrator.templates.template import load_template

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
PLACE = Place(
    subscription={"id": "/subscriptions/S", "subscriptionId": "S", "tenantId": "T"},
    group={"id": "/subscriptions/S/resourceGroups/rg", "name": "rg", "location": "local", "tags": {}},
    deployment={"name": "d"},
    environment={"name": "vmss", "zones": ["1", "2"]},
    tenant={"tenantId": "T"},
    api_versions=lambda _kind: ("2026-04-01", "2024-11-01"),
)


def bound(given_values: dict[str, Any] | None = None, **parts: Any) -> tuple[Any, Scope]:
    template = load_template({"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": [], **parts})
    values = {name: {"value": value} for name, value in (given_values or {}).items()}
    parameters = bind_parameters(template.parameters, values)
    return template, make_scope(template, parameters, PLACE, now=0.0, new_guid=lambda: "a-guid")


def nodes(*resources: Any, **parts: Any) -> list[ResourceNode]:
    return expand(*bound(resources=list(resources), **parts))


def resource(name: str, kind: str = "A.B/c", **members: Any) -> dict[str, Any]:
    return {"type": kind, "apiVersion": "2024-11-01", "name": name, **members}


GROUP = "/subscriptions/S/resourceGroups/rg"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[concat('a', 'b', 1)]", "ab1"),
        ("[concat(createArray(1), createArray(2))]", [1, 2]),
        ("[[not an expression]", "[not an expression]"),
        ("plain", "plain"),
        ("['it''s']", "it's"),
        ("[toUpper(toLower('AbC'))]", "ABC"),
        ("[substring('abcdef', 1, 3)]", "bcd"),
        ("[format('{0}-{1:D3}', 'web', 7)]", "web-007"),
        ("[padLeft(7, 3, '0')]", "007"),
        ("[replace('a-b-c', '-', '')]", "abc"),
        ("[split('a;b,c', createArray(';', ','))]", ["a", "b", "c"]),
        ("[join(createArray('x', 'y'), '+')]", "x+y"),
        ("[base64ToString(base64('hello'))]", "hello"),
        ("[json('null')]", None),
        ("[json('{\"a\": [1]}').a[0]]", 1),
        ("[string(createObject('a', 1))]", '{"a":1}'),
        ("[if(equals('a', 'a'), 'yes', div(1, 0))]", "yes"),
        ("[and(true(), not(false()), or(false(), true()))]", True),
        ("[equals(1, true())]", False),
        ("[coalesce(null(), 'x')]", "x"),
        ("[union(createArray(1, 2), createArray(2, 3))]", [1, 2, 3]),
        ("[intersection(createArray(1, 2), createArray(2, 3))]", [2]),
        ("[range(3, 2)]", [3, 4]),
        ("[div(-7, 2)]", -3),
        ("[mod(-7, 2)]", -1),
        ("[max(createArray(1, 3, 2))]", 3),
        ("[contains('ABC', 'B')]", True),
        ("[first('abc')]", "a"),
        ("[skip(createArray(1, 2, 3), 1)]", [2, 3]),
        ("[map(range(0, 3), lambda('n', mul(lambdaVariables('n'), 2)))]", [0, 2, 4]),
        ("[filter(range(0, 4), lambda('n', greater(lambdaVariables('n'), 1)))]", [2, 3]),
        ("[tryGet(createObject('a', 1), 'b')]", None),
        ("[createObject('a', 1).?b]", None),
        ("[resourceGroup().location]", "local"),
        ("[subscription().subscriptionId]", "S"),
        ("[providers('A.B', 'c').apiVersions[0]]", "2026-04-01"),
        ("[resourceId('A.B/c', 'x')]", f"{GROUP}/providers/A.B/c/x"),
        ("[resourceId('A.B/c/d', 'x', 'y')]", f"{GROUP}/providers/A.B/c/x/d/y"),
        ("[resourceId('other', 'A.B/c', 'x')]", "/subscriptions/S/resourceGroups/other/providers/A.B/c/x"),
        ("[dateTimeAdd('2026-01-31T00:00:00Z', 'P1D', 'yyyy-MM-dd')]", "2026-02-01"),
    ],
)
def test_an_expression_has_this_value(expression: str, value: Any) -> None:
    _, scope = bound()
    assert evaluate(expression, scope) == value


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("[nonsense()]", "nonsense"),
        ("[concat('a'", "concat('a'"),
        ("[substring('abc', 2, 5)]", "substring"),
        ("[parameters('missing')]", "missing"),
        ("[variables('missing')]", "missing"),
        ("[copyIndex()]", "copyIndex"),
        ("[utcNow()]", "utcNow"),
        ("[createObject('a', 1).b]", "'b' does not exist"),
        ("[listKeys('x', '2024-11-01')]", "listkeys"),
        ("[resourceId('A.B/c', 'x', 'y')]", "resourceId"),
        ("[div(1, 0)]", "div"),
        ("[add('a', 1)]", "add"),
        ("[if(true(), 1)]", "takes 3 arguments"),
    ],
)
def test_what_cannot_be_is_refused_by_name(expression: str, words: str) -> None:
    _, scope = bound()
    if expression == "[concat('a'":
        expression += "]"
    with pytest.raises(BadInput) as refused:
        evaluate(expression, scope)
    assert refused.value.code == "InvalidTemplate"
    assert words in refused.value.message


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader_of_expressions(text: str) -> None:
    try:
        parse(f"[{text}]")
    except BadInput as refused:
        assert refused.code == "InvalidTemplate"


@given(st.text(alphabet='{}[]",:/*\n\\abc1 ', max_size=60))
def test_no_text_breaks_the_reader_of_json(text: str) -> None:
    try:
        read_json(text)
    except BadInput as refused:
        assert "line" in refused.message


def test_a_unique_string_depends_on_its_values_alone() -> None:
    _, scope = bound()
    one, same, other = (evaluate(f"[uniqueString('{each}')]", scope) for each in ("a", "a", "b"))
    assert one == same != other
    assert len(one) == 13


def test_parameters_are_held_to_all_their_constraints_at_once() -> None:
    declared = {
        "size": {"type": "string", "allowedValues": ["S", "M"]},
        "count": {"type": "int", "minValue": 1, "maxValue": 5},
        "name": {"type": "string", "minLength": 3},
        "needed": {"type": "bool"},
        "word": {"type": "securestring", "maxLength": 3},
    }
    with pytest.raises(BadInput) as refused:
        bound({"size": "XL", "count": 9, "name": "x", "word": "hunter2", "more": 1}, parameters=declared)
    targets = {each.target for each in refused.value.details}
    assert targets == {f"parameters.{name}" for name in ("size", "count", "name", "needed", "word", "more")}
    assert "hunter2" not in refused.value.message


def test_a_default_may_use_other_parameters_but_not_itself() -> None:
    declared = {"a": {"type": "string", "defaultValue": "[concat(parameters('b'), '!')]"}, "b": {"type": "string"}}
    _, scope = bound({"b": "x"}, parameters=declared)
    assert scope.parameters("A") == "x!"
    with pytest.raises(BadInput, match="depends on itself"):
        bound(parameters={"a": {"type": "string", "defaultValue": "[parameters('a')]"}})


def test_variables_have_loops_and_no_circles() -> None:
    loop = {"name": "names", "count": 2, "input": "[format('n{0}', copyIndex('names'))]"}
    _, scope = bound(variables={"copy": [loop], "x": "[variables('y')]", "y": "[variables('x')]"})
    assert scope.variables("names") == ["n0", "n1"]
    with pytest.raises(BadInput, match="depends on itself"):
        scope.variables("x")


def test_a_copy_loop_makes_several_and_a_condition_none() -> None:
    made = nodes(
        resource("[concat('x', copyIndex(1))]", copy={"name": "all", "count": 3}),
        resource("never", condition=False),
        resource("last", dependsOn=["all", "never"]),
    )
    assert [node.identity.name for node in made] == ["x1", "x2", "x3", "last"]
    assert made[-1].waits_for == {0, 1, 2}


def test_a_serial_loop_goes_batch_by_batch() -> None:
    loop = {"name": "all", "count": 4, "mode": "serial", "batchSize": 2}
    made = nodes(resource("[concat('x', copyIndex())]", copy=loop))
    assert [set(node.waits_for) for node in made] == [set(), set(), {0, 1}, {0, 1}]


@pytest.mark.parametrize(
    "written", ["A.B/c/one", "a.b/C/ONE", "one", "[resourceId('A.B/c', 'one')]", f"{GROUP}/providers/A.B/c/one"]
)
def test_a_dependency_is_found_however_it_is_written(written: str) -> None:
    made = nodes(resource("two", dependsOn=[written]), resource("one"))
    assert made[0].waits_for == {1}


def test_a_reference_is_a_dependency() -> None:
    made = nodes(resource("two", properties={"a": "[reference('one').b]"}), resource("one"))
    assert made[0].waits_for == {1}
    with pytest.raises(NotYet):
        made[0].body()
    assert made[0].body(lambda name, _full: {"b": name})["properties"] == {"a": "one"}


def test_children_and_symbolic_names_are_resources_too() -> None:
    parent = resource("p", resources=[resource("kid", "d")])
    [_, second] = nodes(parent)
    assert (second.identity.type, second.identity.full_name, second.waits_for) == ("A.B/c/d", "p/kid", {0})
    template, scope = bound(
        languageVersion="2.0", resources={"s": resource("x"), "t": resource("y", dependsOn=["s"])}
    )
    assert [set(node.waits_for) for node in expand(template, scope)] == [set(), {0}]


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ([resource("a", dependsOn=["b"]), resource("b", dependsOn=["a"])], "wait for each other"),
        ([resource("a"), resource("A")], "more than once"),
        ([resource("a", dependsOn=["nobody"])], "nobody"),
        ([resource("a", nonsense=1)], "nonsense"),
        ([resource("[reference('x').y]")], "cannot be used in names"),
        ([resource("a", copy={"name": "c", "count": 801})], "0 to 800"),
        ([resource("a/b")], "does not fit the type"),
    ],
)
def test_what_is_wrong_with_resources_is_said(resources: list[Any], words: str) -> None:
    with pytest.raises(BadInput) as refused:
        nodes(*resources)
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("name", "camel"),
    [("VMSS", "vmss"), ("VMSSName", "vmssName"), ("name", "name"), ("Name", "name"), ("A1", "a1")],
)
def test_names_of_outputs_are_spelt_as_azure_spells_them(name: str, camel: str) -> None:
    assert camel_case(name) == camel


def test_outputs_are_of_their_type() -> None:
    template, scope = bound(outputs={"n": {"type": "int", "value": "[add(1, 1)]"}})
    assert evaluate_outputs(template, scope, no_reference) == {"n": {"type": "Int", "value": 2}}
    template, scope = bound(outputs={"n": {"type": "int", "value": "text"}})
    with pytest.raises(BadInput, match="not of type"):
        evaluate_outputs(template, scope, no_reference)


def test_functions_of_ones_own_see_their_parameters_alone() -> None:
    own = {
        "namespace": "my",
        "members": {
            "twice": {
                "parameters": [{"name": "x", "type": "string"}],
                "output": {"type": "string", "value": "[concat(parameters('x'), parameters('x'))]"},
            }
        },
    }
    _, scope = bound(functions=[own])
    assert evaluate("[my.twice('ab')]", scope) == "abab"


def test_the_page_names_every_function() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[3] / "docs/templates.md").read_text()
    assert [name for name in library.names() if f"`{name}`" not in page] == []
