"""Worked examples of every function, after Azure's pages on template functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import BadInput
from orchestrator.templates import library
from orchestrator.templates.evaluation import make_scope
from orchestrator.templates.parameters import bind_parameters
from orchestrator.templates.scope import NotYet, Place, Scope, evaluate
from orchestrator.templates.syntax import Call, Member, Node, parse
from orchestrator.templates.template import load_template

GROUP = "/subscriptions/S/resourceGroups/rg"
PLACE = Place(
    subscription={"id": "/subscriptions/S", "subscriptionId": "S", "tenantId": "T"},
    group={"id": GROUP, "name": "rg", "location": "local", "tags": {"team": "red"}},
    deployment={"name": "d"},
    environment={"name": "vmss", "zones": ["1", "2", "3"]},
    tenant={"tenantId": "T"},
    api_versions=lambda _kind: ("2026-04-01", "2024-11-01"),
)
TEMPLATE = {
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "parameters": {"count": {"type": "int"}},
    "variables": {"names": ["a", "b"]},
    "resources": [],
}
DOGS = "createArray(createObject('n', 'Evie', 'age', 5), createObject('n', 'Casper', 'age', 3))"


@pytest.fixture(scope="module")
def scope() -> Scope:
    """Inside a loop ``l`` at 2, with all that an expression can ask for."""
    template = load_template(TEMPLATE)
    bound = bind_parameters(template.parameters, {"count": {"value": 3}})
    made = make_scope(template, bound, PLACE, now=1_586_271_194.0, new_guid=lambda: "a-guid")
    told = replace(made, now=1_586_271_194.0, new_guid=lambda: "a-guid", refer=lambda name, full: [name, full])
    return told.inside_loop("l", 2)


STRINGS = [
    ("base64('one, two')", "b25lLCB0d28="),
    ('base64ToJson(base64(\'{"one": "a"}\'))', {"one": "a"}),
    ("base64ToString('b25lLCB0d28=')", "one, two"),
    ("concat('prefix', '-', 5, true())", "prefix-5True"),
    ("concat(createArray('1-1'), createArray('2-1'))", ["1-1", "2-1"]),
    ("contains('OneTwo', 'Two')", True),
    ("contains('OneTwo', 'two')", False),
    ("dataUri('Hello')", "data:text/plain;charset=utf8;base64,SGVsbG8="),
    ("dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')", "Hello, World!"),
    ("endsWith('abcdef', 'F')", True),
    ("startsWith('abcdef', 'AB')", True),
    ("format('{0}, {1}. Number: {2:N0}', 'Hello', 'User', 8175133)", "Hello, User. Number: 8,175,133"),
    ("format('{{{0,4}|{0,-4}|{1:X}|{2:000}}}', 'a', 255, 7)", "{   a|a   |FF|007}"),
    ("guid('a', 'b')", "2d796349-8c7e-55ec-9624-54ece82ed031"),
    ("indexOf('abcdef', 'CD')", 2),
    ("indexOf('abcdef', 'z')", -1),
    ("indexOf(createArray('one', 'two', 'two'), 'two')", 1),
    ("lastIndexOf('Abcdef', 'AB')", 0),
    ("lastIndexOf(createArray('two', 'two'), 'two')", 1),
    ("join(createArray('one', 'two'), ', ')", "one, two"),
    ("json('{\"a\": [1, null]}')", {"a": [1, None]}),
    ("json('null')", None),
    ("newGuid()", "a-guid"),
    ("padLeft('123', 10, '0')", "0000000123"),
    ("replace('123-123-1234', '-', '')", "1231231234"),
    ("split('one;two,three', createArray(',', ';'))", ["one", "two", "three"]),
    ("string(createObject('a', createArray(1, true())))", '{"a":[1,true]}'),
    ("string(true())", "True"),
    ("substring('one two three', 4, 3)", "two"),
    ("substring('abc', 1)", "bc"),
    ("toLower('One')", "one"),
    ("toUpper('One')", "ONE"),
    ("trim('  a b ')", "a b"),
    ("uri('http://contoso.org/firstpath/', 'myscript.sh')", "http://contoso.org/firstpath/myscript.sh"),
    ("uri('http://contoso.org/firstpath', 'myscript.sh')", "http://contoso.org/myscript.sh"),
    ("uriComponent('http://c.com/a b')", "http%3A%2F%2Fc.com%2Fa%20b"),
    ("uriComponentToString('http%3A%2F%2Fc.com')", "http://c.com"),
]
# As Azure and clients that reckon it by themselves give it.
UNIQUE = [
    ("uniqueString('test')", "rbgf3xv4ufgzg"),
    ("uniqueString('hello', 'world')", "a7wkljktk6wne"),
    ("uniqueString('abc')", "cgtzqvhu4i23s"),
    ("uniqueString('foo', 'bar', 'baz')", "xzi4ioaxtmth4"),
    (
        "uniqueString('/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/my-rg')",
        "bmg7c6xu4tw46",
    ),
    ("uniqueString('/subscriptions/00000000-0000-0000-0000-000000000000', 'resource-id')", "cwvxuqg24sifi"),
]
ARRAYS = [
    ("array('a')", ["a"]),
    ("createArray(1, 'a')", [1, "a"]),
    ("createObject('a', 1, 'b', createArray())", {"a": 1, "b": []}),
    ("empty('')", True),
    ("empty(createArray())", True),
    ("empty(null())", True),
    ("empty(createObject('a', 1))", False),
    ("first(createArray('one', 'two'))", "one"),
    ("first('One')", "O"),
    ("first('')", ""),
    ("last(createArray('one', 'two'))", "two"),
    ("flatten(createArray(createArray(1, 2), createArray(3)))", [1, 2, 3]),
    ("intersection(createArray(1, 2, 3), createArray(3, 2))", [2, 3]),
    ("intersection(createObject('a', 1, 'b', null()), createObject('a', 1))", {"a": 1}),
    ("items(createObject('b', 2, 'a', 1))", [{"key": "a", "value": 1}, {"key": "b", "value": 2}]),
    ("length(createArray(1, 2))", 2),
    ("length('abc')", 3),
    ("length(createObject('a', 1))", 1),
    ("max(1, 5, 3)", 5),
    ("min(createArray(4, 2))", 2),
    ("objectKeys(createObject('a', 1, 'b', 2))", ["a", "b"]),
    ("range(5, 3)", [5, 6, 7]),
    (
        "shallowMerge(createArray(createObject('a', createObject('x', 1)), createObject('a', 2)))",
        {"a": 2},
    ),
    ("skip(createArray(1, 2, 3), 2)", [3]),
    ("skip('one two', 4)", "two"),
    ("take(createArray(1, 2, 3), 2)", [1, 2]),
    ("take('one', 9)", "one"),
    ("tryGet(createObject('a', createArray(7)), 'A', 0)", 7),
    ("tryGet(createObject('a', 1), 'b')", None),
    ("union(createArray(1, 2), createArray(2, '2', true()))", [1, 2, "2", True]),
    (
        "union(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2)))",
        {"a": {"x": 1, "y": 2}},
    ),
    ("contains(createObject('A', 1), 'a')", True),
    ("contains(createArray(1, 2), true())", False),
]
LAMBDAS = [
    (f"filter({DOGS}, lambda('d', greaterOrEquals(lambdaVariables('d').age, 5)))[0].n", "Evie"),
    ("filter(createArray('a', 'b'), lambda('x', 'i', equals(lambdaVariables('i'), 1)))", ["b"]),
    (f"groupBy({DOGS}, lambda('d', lambdaVariables('d').n)).Casper[0].age", 3),
    ("map(range(0, 3), lambda('i', mul(lambdaVariables('i'), 10)))", [0, 10, 20]),
    ("mapValues(createObject('a', 1), lambda('v', add(lambdaVariables('v'), 1)))", {"a": 2}),
    (f"reduce({DOGS}, 0, lambda('sum', 'd', add(lambdaVariables('sum'), lambdaVariables('d').age)))", 8),
    (
        f"sort({DOGS}, lambda('a', 'b', less(lambdaVariables('a').age, lambdaVariables('b').age)))[0].n",
        "Casper",
    ),
    (
        f"toObject({DOGS}, lambda('d', lambdaVariables('d').n), lambda('d', lambdaVariables('d').age))",
        {"Evie": 5, "Casper": 3},
    ),
]
LOGIC = [
    ("and(true(), not(false()))", True),
    ("or(false(), true())", True),
    ("and(false(), equals(div(1, 0), 1))", False),
    ("bool('True')", True),
    ("bool(0)", False),
    ("if(equals('a', 'A'), div(1, 0), 'no')", "no"),
    ("equals(createObject('a', 1), createObject('a', 1))", True),
    ("equals(1, true())", False),
    ("less(1, 2)", True),
    ("lessOrEquals(2, 2)", True),
    ("greater('b', 'a')", True),
    ("greaterOrEquals(1, 2)", False),
    ("coalesce(null(), null(), 'x')", "x"),
]
NUMBERS = [
    ("add(5, 3)", 8),
    ("sub(7, 3)", 4),
    ("mul(5, 3)", 15),
    ("div(8, 3)", 2),
    ("div(-7, 2)", -3),
    ("mod(7, 3)", 1),
    ("mod(-7, 3)", -1),
    ("int('4')", 4),
    ("float('1.5')", 1.5),
]
TIMES = [
    ("utcNow()", "20200407T145314Z"),
    ("utcNow('d')", "04/07/2020"),
    ("utcNow('M d')", "4 7"),
    ("utcNow('yyyy-MM-ddTHH:mm:ssZ')", "2020-04-07T14:53:14Z"),
    ("utcNow('ddd, dd MMM yyyy h:mm tt')", "Tue, 07 Apr 2020 2:53 PM"),
    ("dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y', 'yyyy-MM-dd')", "2023-04-07"),
    ("dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')", "2020-03-29 14:53:14Z"),
    ("dateTimeAdd('2020-04-07T14:53:14Z', 'PT1H')", "2020-04-07T15:53:14Z"),
    ("dateTimeToEpoch('2020-04-07T14:53:14Z')", 1586271194),
    ("dateTimeFromEpoch(1586271194)", "2020-04-07T14:53:14Z"),
]
NETWORKS = [
    (
        "parseCidr('10.144.0.0/20')",
        {
            "network": "10.144.0.0",
            "netmask": "255.255.240.0",
            "broadcast": "10.144.15.255",
            "firstUsable": "10.144.0.1",
            "lastUsable": "10.144.15.254",
            "cidr": 20,
        },
    ),
    ("parseCidr('fd00::/64').network", "fd00::"),
    ("map(range(0, 3), lambda('i', cidrSubnet('10.144.0.0/20', 24, lambdaVariables('i'))))[2]", "10.144.2.0/24"),
    ("cidrSubnet('fd00::/48', 64, 65535)", "fd00:0:0:ffff::/64"),
    ("cidrHost('10.144.3.0/24', 4)", "10.144.3.5"),
]
RESOURCES = [
    ("parameters('COUNT')", 3),
    ("variables('Names')[1]", "b"),
    ("copyIndex()", 2),
    ("copyIndex(10)", 12),
    ("copyIndex('L', 1)", 3),
    ("resourceGroup().tags.team", "red"),
    ("subscription().subscriptionId", "S"),
    ("tenant().tenantId", "T"),
    ("environment().name", "vmss"),
    ("deployment().name", "d"),
    ("providers('A.B', 'c').apiVersions[0]", "2026-04-01"),
    ("pickZones('Microsoft.Compute', 'virtualMachineScaleSets', 'local')", ["1"]),
    ("pickZones('Microsoft.Compute', 'virtualMachineScaleSets', 'local', 2)", ["1", "2"]),
    ("resourceId('A.B/c', 'x')", f"{GROUP}/providers/A.B/c/x"),
    ("resourceId('A.B/c/', 'x')", f"{GROUP}/providers/A.B/c/x"),
    ("resourceId('A.B/c/d', 'x', 'y')", f"{GROUP}/providers/A.B/c/x/d/y"),
    ("resourceId('other', 'A.B/c', 'x')", "/subscriptions/S/resourceGroups/other/providers/A.B/c/x"),
    ("resourceId('Z', 'other', 'A.B/c', 'x')", "/subscriptions/Z/resourceGroups/other/providers/A.B/c/x"),
    ("subscriptionResourceId('A.B/c', 'x')", "/subscriptions/S/providers/A.B/c/x"),
    ("subscriptionResourceId('Z', 'A.B/c', 'x')", "/subscriptions/Z/providers/A.B/c/x"),
    ("tenantResourceId('A.B/c', 'x')", "/providers/A.B/c/x"),
    ("extensionResourceId('/a/b', 'C.D/e', 'x')", "/a/b/providers/C.D/e/x"),
    ("reference('x')", ["x", False]),
    ("reference('x', '2024-11-01', 'Full')", ["x", True]),
]
EXAMPLES = [*STRINGS, *UNIQUE, *ARRAYS, *LAMBDAS, *LOGIC, *NUMBERS, *TIMES, *NETWORKS, *RESOURCES]


@pytest.mark.parametrize(("expression", "value"), EXAMPLES)
def test_a_function_gives_what_azure_says(expression: str, value: Any, scope: Scope) -> None:
    found = evaluate(f"[{expression}]", scope)
    assert found == value
    assert type(found) is type(value)


def test_every_function_has_an_example() -> None:
    shown = {name for expression, _ in EXAMPLES for name in _called(parse(f"[{expression}]"))}
    assert [name for name in library.names() if name.lower() not in shown] == []


def _called(node: Node) -> Iterator[str]:
    match node:
        case Call():
            yield node.name
            for each in node.arguments:
                yield from _called(each)
        case Member():
            yield from _called(node.of)
            yield from _called(node.key)


def test_a_real_deployments_unique_string_is_ours(scope: Scope) -> None:
    machine = (
        "/subscriptions/31e9f9a0-9fd2-4294-a0a3-0101246d9700/resourceGroups/rg-modm201-20230913120256"
        "/providers/Microsoft.Compute/virtualMachines/bobjacmodm201"
    )
    assert evaluate(f"[uniqueString('{machine}')]", scope) == "yvjxno3je5on2"


_LEAVES = st.sampled_from(
    [
        *("'a'", "''", "'-1'", "'{9}'", "'10.0.0.0/8'", "'P1D'", "'2020-04-07T14:53:14Z'", "'A.B/c'"),
        *("0", "-1", "99999999", "9223372036854775807", "true()", "null()", "copyIndex()", "resourceGroup()"),
        *("createArray()", "createArray(1, 'a')", "createObject('a', 1)"),
        *("lambda('x', 1)", "lambda('a', 'b', lambdaVariables('a'))"),
    ]
)


def _calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.sampled_from(library.names())
    return st.builds(lambda name, given: f"{name}({', '.join(given)})", names, st.lists(inner, max_size=4))


@settings(max_examples=1500, deadline=None)
@given(st.recursive(_LEAVES, _calls, max_leaves=8))
def test_whatever_is_put_together_has_a_value_or_is_refused(scope: Scope, expression: str) -> None:
    fresh = replace(scope, effort=type(scope.effort)())
    try:
        first = evaluate(f"[{expression}]", fresh)
    except (BadInput, NotYet) as refused:
        assert isinstance(refused, NotYet) or refused.code == "InvalidTemplate"
    else:
        assert evaluate(f"[{expression}]", fresh) == first
