"""Which role a request needs, as a table; and what is open to everyone."""

from __future__ import annotations

import pytest
from fake_world import GROUP, SET, SETS

from orchestrator.api.front import canonical_path
from orchestrator.api.identity.roles import action_of, is_open, needed_role
from orchestrator.model.principal import Role

DEPLOYMENT = f"{GROUP}/providers/Microsoft.Resources/deployments/d"
OWN = "/providers/Vmss.Local"
READER, OPERATOR, OWNER = Role.READER, Role.OPERATOR, Role.OWNER


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", SET, READER),
        ("HEAD", GROUP, READER),
        ("GET", f"{OWN}/hosts", READER),
        ("GET", f"{OWN}/principals", READER),
        ("GET", "/tenants", READER),
        ("PUT", SET, OPERATOR),
        ("PATCH", SET, OPERATOR),
        ("DELETE", SET, OPERATOR),
        ("POST", f"{SET}/start", OPERATOR),
        ("POST", f"{SET}/virtualMachines/0/runCommand", OPERATOR),
        ("DELETE", GROUP, OPERATOR),
        ("POST", f"{DEPLOYMENT}/validate", READER),
        ("POST", f"{DEPLOYMENT}/whatIf", READER),
        ("POST", f"{DEPLOYMENT}/WHATIF", READER),
        ("POST", f"{DEPLOYMENT}/exportTemplate", OPERATOR),
        ("POST", f"{GROUP}/exportTemplate", OPERATOR),
        ("POST", f"{SET}/virtualMachines/0/retrieveBootDiagnosticsData", READER),
        ("POST", f"{DEPLOYMENT}/cancel", OPERATOR),
        # What is called like a verb is not one: only the place in the path tells.
        ("POST", f"{SETS}/validate", OPERATOR),
        ("POST", f"{SET}/virtualMachines/whatIf", OPERATOR),
        ("PUT", f"{SETS}/validate", OPERATOR),
        ("DELETE", f"{DEPLOYMENT}/validate", OPERATOR),
        ("POST", f"{SETS}/validate/delete", OPERATOR),
        ("PUT", f"{OWN}/hosts/h1", OWNER),
        ("POST", f"{OWN}/hosts/h1/drain", OWNER),
        ("DELETE", f"{OWN}/hosts/h1", OWNER),
        ("PUT", f"{OWN}/principals/p", OWNER),
        ("POST", f"{OWN}/principals/p/resetSecret", OWNER),
        ("DELETE", f"{OWN}/principals/p", OWNER),
        # What nobody thought of needs the most.
        ("POST", "/somewhere", OWNER),
        ("BREW", "/subscriptions", OWNER),
    ],
)
def test_a_request_needs_the_least_role_that_may_do_it(method: str, path: str, role: Role) -> None:
    assert needed_role(method, canonical_path(path)) is role


def test_each_role_may_what_the_smaller_ones_may() -> None:
    assert [[one.includes(other) for other in Role] for one in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize(
    ("method", "path", "action", "scope"),
    [
        ("PUT", SET, "Microsoft.Compute/virtualMachineScaleSets/write", SET),
        ("DELETE", SET, "Microsoft.Compute/virtualMachineScaleSets/delete", SET),
        ("POST", f"{SET}/start", "Microsoft.Compute/virtualMachineScaleSets/start/action", SET),
        ("PUT", GROUP, "Microsoft.Resources/subscriptions/resourceGroups/write", GROUP),
        (
            "POST",
            f"{SET}/virtualMachines/0/restart",
            "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/restart/action",
            f"{SET}/virtualMachines/0",
        ),
        ("PUT", f"{OWN}/hosts/h1", "Vmss.Local/hosts/write", f"{OWN}/hosts/h1"),
    ],
)
def test_an_action_is_named_as_azure_does(method: str, path: str, action: str, scope: str) -> None:
    assert action_of(method, path) == (action, scope)


@pytest.mark.parametrize(
    "path",
    [
        "/metadata/endpoints",
        "/Metadata/endpoints",
        "/metadata/aliases",
        "/metadata/identity/oauth2/token",
        "/msi/token",
        "/adfs/.well-known/openid-configuration",
        "/adfs/t/.well-known/openid-configuration",
        "/adfs/t/v2.0/.well-known/openid-configuration",
        "/t/v2.0/.well-known/openid-configuration",
        "/adfs/discovery/keys",
        "/adfs/oauth2/token",
        "/adfs/t/oauth2/token",
        "/t/oauth2/v2.0/token",
    ],
)
def test_what_is_asked_before_a_login_is_open(path: str) -> None:
    assert is_open(canonical_path(path))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metadata",
        "/metadata/endpoints/x",
        "/openapi.json",
        "/subscriptions",
        f"{SETS}/.well-known/openid-configuration",
        f"{GROUP}/oauth2/token",
        "/subscriptions/oauth2/token",
        "/providers/oauth2/token",
        "/providers/vmss.local/hosts/x/oauth2/token",
        "/subscriptions/s/discovery/keys",
        "/a/b/c/oauth2/token",
        "/x/y/.well-known/openid-configuration",
        "/adfs/a/b/oauth2/token",
        "/metadata/identity/oauth2/token/x",
    ],
)
def test_nothing_else_is_open_however_it_ends(path: str) -> None:
    assert not is_open(canonical_path(path))
