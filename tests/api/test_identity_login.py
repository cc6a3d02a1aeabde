"""Logging in, tokens, and who may do what: over a port, as clients come."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
from fake_world import GROUP, NOW, OWN, SET, TENANT, V, World, a_set, an_identity, signing_key
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api.identity.secrets import new_principal, with_secret
from orchestrator.api.identity.tokens import SigningKey, TokenProblem, Tokens
from orchestrator.model.principal import Principal, Role

BASE = "https://localhost:8443"
TOKEN = f"{BASE}/adfs/oauth2/token?"
CLIENT = "33333333-3333-3333-3333-333333333333"
SECRET = "a secret of 256 bits, or so"
GOOD = {
    "client_id": CLIENT,
    "client_secret": SECRET,
    "grant_type": "client_credentials",
    "scope": f"{BASE}/.default",
}


def add(world: World, role: Role = Role.OWNER, name: str = "me", client_id: str = CLIENT) -> Principal:
    made = new_principal(name, role, SECRET, NOW, client_id)
    with world.store.write() as tx:
        tx.put_principal(made)
    return made


def ask(world: World, method: str, url: str, body: Any = None, **more: Any) -> httpx.Response:
    return world.send(method, url, body, is_local=False, **more)


def log_in(world: World, **changes: str) -> httpx.Response:
    return ask(world, "POST", TOKEN, data={**GOOD, **changes})


def with_token(token: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {token}".encode("latin-1")}}


def logged_in(world: World) -> dict[str, Any]:
    return with_token(log_in(world).json()["access_token"])


def b64(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


@given(token=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80) | st.binary().map(b64))
def test_whatever_comes_as_a_token_is_refused_and_breaks_nothing(token: str) -> None:
    with pytest.raises(TokenProblem):
        an_identity([NOW]).tokens.read(f"{b64(token.encode())}.{b64(token.encode())}.{token}", NOW)


# The token endpoint


def test_a_login_gives_a_token_that_is_taken(world: World) -> None:
    add(world)
    answer = log_in(world)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert answer.headers["cache-control"] == "no-store"
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["aud"] == BASE
    assert claims["tid"] == TENANT
    assert claims["oid"] == claims["appid"] == claims["sub"] == CLIENT
    assert (claims["iat"], claims["exp"]) == (NOW, NOW + 3600)
    assert "role" not in json.dumps(claims)
    assert ask(world, "GET", f"{BASE}/subscriptions", **with_token(body["access_token"])).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        f"/adfs/{TENANT}/oauth2/token",
        f"/{TENANT}/oauth2/v2.0/token",
        "/adfs/adfs/oauth2/token",
        "/ADFS/oauth2/token",
    ],
)
def test_a_token_is_given_wherever_a_client_looks_for_it(world: World, path: str) -> None:
    add(world)
    assert ask(world, "POST", f"{BASE}{path}?", data=GOOD).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "44444444-3333-3333-3333-333333333333"}, 401, "invalid_client"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"client_id": "' OR 1=1 --"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
        ({"scope": "https://vault.azure.net/.default"}, 400, "invalid_scope"),
        ({"scope": ""}, 400, "invalid_scope"),
        ({"scope": "https://[/.default"}, 400, "invalid_scope"),
        ({"scope": "https://evil.example#localhost/.default"}, 400, "invalid_scope"),
        ({"resource": "https://graph.windows.net/"}, 400, "invalid_resource"),
    ],
    ids=str,
)
def test_a_login_that_is_wrong_is_refused_as_oauth_has_it(
    world: World, changes: dict[str, str], status: int, error: str
) -> None:
    add(world)
    answer = log_in(world, **changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]
    assert "access_token" not in answer.json()


def test_an_unknown_client_and_a_wrong_secret_are_answered_alike(world: World) -> None:
    add(world)
    answers = [log_in(world, client_secret="x"), log_in(world, client_id="00000000-0000-0000-0000-000000000000")]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff=\xff",
        b"client_id=a&client_id=b&grant_type=client_credentials",
        b"a=" + b"x" * 40_000,
        b"&" * 9000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_a_form_that_is_none_is_refused(world: World, content: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = ask(world, "POST", TOKEN, content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_request", "unsupported_grant_type"}


def test_a_body_that_is_no_form_is_refused(world: World) -> None:
    assert ask(world, "POST", TOKEN, GOOD).json()["error"] == "invalid_request"


def test_a_client_may_log_in_by_http_basic(world: World) -> None:
    add(world)
    form = {"grant_type": "client_credentials", "resource": f"{BASE}/"}
    pair = b64encode(f"{CLIENT}:{quote(SECRET)}".encode()).decode()
    assert ask(world, "POST", TOKEN, data=form, headers={"Authorization": f"Basic {pair}"}).status_code == 200
    for header in ("Basic", "Basic !", "Bearer x", f"Basic {b64encode(b'no colon').decode()}"):
        assert ask(world, "POST", TOKEN, data=form, headers={"Authorization": header}).status_code == 401


def test_another_tenant_is_not_found(world: World) -> None:
    add(world)
    answer = ask(world, "POST", f"{BASE}/adfs/contoso/oauth2/token?", data=GOOD)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_tenant")
    assert ask(world, "GET", f"{BASE}/contoso/v2.0/.well-known/openid-configuration?").status_code == 400


# Discovery


def test_the_metadata_lead_to_the_login_and_back(world: World) -> None:
    answer = ask(world, "GET", f"{BASE}/metadata/endpoints?api-version=2022-09-01").json()
    assert answer["authentication"]["loginEndpoint"] == f"{BASE}/adfs"
    assert answer["authentication"]["audiences"][0] == BASE
    assert answer["resourceManager"] == f"{BASE}/"
    assert answer["suffixes"] == {}
    older = ask(world, "GET", f"{BASE}/metadata/endpoints?api-version=2019-05-01").json()
    assert older == [answer]


@pytest.mark.parametrize("host", ["localhost:9443", "127.0.0.1:8443", "[::1]:8443", "LOCALHOST:8443"])
def test_addresses_are_those_by_which_the_client_came(world: World, host: str) -> None:
    answer = ask(world, "GET", f"https://{host}/adfs/.well-known/openid-configuration?").json()
    assert answer["token_endpoint"] == f"https://{host.lower()}/adfs/oauth2/token"
    assert answer["issuer"] == f"https://{host.lower()}/adfs"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "localhost:x", "a@localhost", "", "[::1"]
)
def test_a_host_that_is_not_ours_is_refused(world: World, host: str) -> None:
    answer = ask(world, "GET", f"{BASE}/metadata/endpoints", headers={"Host": host})
    assert answer.status_code == 403


def test_who_comes_over_plain_http_is_told_the_https_port(world: World) -> None:
    world.identify(https_url="https://localhost:8443")
    answer = ask(world, "GET", "http://127.0.0.1:8080/metadata/endpoints").json()
    assert answer["resourceManager"] == "https://localhost:8443/"


def test_the_keys_that_are_told_prove_a_token(world: World) -> None:
    add(world)
    [key] = ask(world, "GET", f"{BASE}/adfs/discovery/keys").json()["keys"]
    token = log_in(world).json()["access_token"]
    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    assert jwt.decode(token, jwt.PyJWK(key).key, ["RS256"], audience=BASE, options={"verify_exp": False})
    assert "d" not in key


# Tokens


def challenge(answer: httpx.Response) -> str:
    assert answer.status_code == 401
    return str(answer.headers["www-authenticate"])


def test_without_a_token_nothing_is_told(world: World) -> None:
    paths = ["/subscriptions", SET, OWN + "/status", "/nothing", "/openapi.json", "/", "/a/b%00c", "/" + "a" * 5000]
    for path in paths:
        for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"):
            answer = ask(world, method, f"{BASE}{path}?")
            assert 'error="invalid_token"' in challenge(answer)
            assert f'authorization_uri="{BASE}/adfs"' in challenge(answer)
    assert world.store.scale_sets() == []


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "token"])
def test_a_header_that_is_no_bearer_token_is_refused(world: World, header: str) -> None:
    answer = ask(world, "GET", f"{BASE}/subscriptions", headers={"Authorization": header})
    assert code(answer) == "AuthenticationFailedInvalidHeader"


def forged(**changes: Any) -> str:
    """A token that is right, but for the changes; signed with the daemon's own key."""
    principal = new_principal("me", Role.OWNER, SECRET, NOW, CLIENT)
    good, _ = an_identity([NOW]).issue(principal, BASE, NOW)
    claims = {**jwt.decode(good, options={"verify_signature": False}), **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, signing_key().private, "RS256")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "x.y.z",
        "a" * 20_000,
        jwt.encode({"appid": CLIENT, "exp": NOW + 60}, None, "none"),
        jwt.encode({"appid": CLIENT, "exp": NOW + 60}, "public" * 10, "HS256"),
        Tokens(SigningKey.make(), "urn:vmss:test", TENANT).make(
            new_principal("me", Role.OWNER, SECRET, NOW, CLIENT), BASE, NOW
        )[0],
        f"{b64(b'[' * 11_000)}.{b64(b'{}')}.x",
        f"{b64(b'[]')}.{b64(b'{}')}.x",
        f"{b64(b'7')}.{b64(b'7')}.x",
        "\u00e9.\u00e9.\u00e9",
        forged(iss="urn:vmss:other"),
        forged(aud="https://vault.azure.net"),
        forged(aud=[BASE]),
        forged(aud=None),
        forged(tid="another"),
        forged(exp=None),
        forged(exp=NOW),
        forged(exp="tomorrow"),
        forged(nbf=NOW + 3600),
        forged(appid=7),
        forged(key_id=None),
        forged(key_id="of another secret"),
    ],
    ids=lambda token: token[:10],
)
def test_a_token_that_is_not_taken_is_answered_so_that_a_client_fetches_another(world: World, token: str) -> None:
    add(world)
    answer = ask(world, "GET", f"{BASE}/subscriptions", **with_token(token))
    parts = dict(part.split("=", 1) for part in challenge(answer).removeprefix("Bearer ").split(", "))
    assert parts["error"] == '"insufficient_claims"'
    claims = json.loads(urlsafe_b64decode(parts["claims"].strip('"')))
    assert "access_token" in claims


def test_a_token_ends_in_its_time(world: World) -> None:
    add(world)
    headers = logged_in(world)
    world.clock[0] += 3599
    assert ask(world, "GET", f"{BASE}/subscriptions", **headers).status_code == 200
    world.clock[0] += 1
    answer = ask(world, "GET", f"{BASE}/subscriptions", **headers)
    assert (answer.status_code, code(answer)) == (401, "ExpiredAuthenticationToken")


def test_a_principal_that_is_gone_takes_its_tokens_along(world: World) -> None:
    principal = add(world)
    headers = logged_in(world)
    with world.store.write() as tx:
        tx.drop_principal(principal.client_id)
    assert ask(world, "GET", f"{BASE}/subscriptions", **headers).status_code == 401


def test_a_new_secret_ends_the_tokens_of_the_old_one(world: World) -> None:
    principal = add(world)
    headers = logged_in(world)
    with world.store.write() as tx:
        tx.put_principal(with_secret(principal, "another"))
    assert ask(world, "GET", f"{BASE}/subscriptions", **headers).status_code == 401
    assert log_in(world).status_code == 401
    assert log_in(world, client_secret="another").status_code == 200


def test_the_unix_socket_cannot_be_claimed_by_a_header(world: World) -> None:
    for header in ("vmss.is_local", "x-vmss-is-local", "x-forwarded-for", "forwarded"):
        assert ask(world, "GET", f"{BASE}/subscriptions", headers={header: "1"}).status_code == 401


# Roles

WRITES = [("PUT", SET, a_set()), ("DELETE", SET, None), ("PATCH", SET, {}), ("POST", f"{SET}/start", None)]
HOST = ("PUT", f"{OWN}/hosts/h9", {"uri": "qemu:///system"})
PRINCIPAL = ("PUT", f"{OWN}/principals/p9", {"properties": {"role": "owner"}})


@pytest.mark.parametrize(
    ("role", "allowed", "refused"),
    [
        (Role.READER, [("GET", GROUP, None)], [*WRITES, HOST, PRINCIPAL]),
        (Role.OPERATOR, [("GET", GROUP, None), *WRITES], [HOST, PRINCIPAL]),
        (Role.OWNER, [("GET", GROUP, None), *WRITES, HOST, PRINCIPAL], []),
    ],
)
def test_a_role_may_what_it_may_and_no_more(
    world: World, role: Role, allowed: list[Any], refused: list[Any]
) -> None:
    add(world, role)
    headers = logged_in(world)
    for method, path, body in refused:
        answer = ask(world, method, f"{BASE}{path}{V}", body, **headers)
        assert (answer.status_code, code(answer)) == (403, "AuthorizationFailed")
        assert CLIENT in answer.json()["error"]["message"]
    assert world.store.scale_sets() == []
    for method, path, body in allowed:
        assert ask(world, method, f"{BASE}{path}{V}", body, **headers).status_code not in {401, 403}


def test_a_refusal_names_who_what_and_where(world: World) -> None:
    add(world, Role.READER)
    message = ask(world, "PUT", f"{BASE}{SET}{V}", a_set(), **logged_in(world)).json()["error"]["message"]
    assert f"The client '{CLIENT}' with object id '{CLIENT}'" in message
    assert "perform action 'Microsoft.Compute/virtualMachineScaleSets/write'" in message
    assert f"over scope '{SET}'" in message


def test_a_role_counts_from_the_next_request_on(world: World) -> None:
    add(world, Role.READER)
    headers = logged_in(world)
    world.send("PUT", f"{OWN}/principals/me", {"properties": {"role": "operator"}})
    assert ask(world, "PUT", f"{BASE}{SET}{V}", a_set(), **headers).status_code == 201


# Limits


def test_every_answer_says_how_many_may_follow_and_the_last_one_when(world: World) -> None:
    world.identify(reads=3, writes=2)
    add(world)
    headers = logged_in(world)
    left = [ask(world, "GET", f"{BASE}{GROUP}{V}", **headers) for _ in range(4)]
    name = "x-ms-ratelimit-remaining-subscription-"
    assert [each.headers.get(f"{name}reads") for each in left] == ["2", "1", "0", None]
    assert (left[-1].status_code, code(left[-1])) == (429, "TooManyRequests")
    assert left[-1].headers["retry-after"] == "20"
    written = ask(world, "DELETE", f"{BASE}{SET}{V}", **headers)
    assert written.headers[f"{name}writes"] == "1"
    world.clock[0] += 20
    assert ask(world, "GET", f"{BASE}{GROUP}{V}", **headers).status_code == 200
    assert ask(world, "GET", f"{BASE}{GROUP}{V}", **headers).status_code == 429


def test_one_principal_does_not_use_up_anothers_and_the_socket_has_no_limit(world: World) -> None:
    world.identify(reads=1, writes=1)
    add(world)
    other = "55555555-3333-3333-3333-333333333333"
    add(world, name="other", client_id=other)
    mine = logged_in(world)
    others = with_token(log_in(world, client_id=other).json()["access_token"])
    assert [ask(world, "GET", f"{BASE}{GROUP}{V}", **mine).status_code for _ in range(2)] == [200, 429]
    assert ask(world, "GET", f"{BASE}{GROUP}{V}", **others).status_code == 200
    assert [world.send("GET", GROUP).status_code for _ in range(5)] == [200] * 5


# Managed identities


@pytest.mark.parametrize("header", ["X-IDENTITY-HEADER", "secret"])
def test_who_knows_a_principals_secret_gets_its_token(world: World, header: str) -> None:
    add(world)
    url = f"http://127.0.0.1:8080/msi/token?resource={BASE}/&api-version=2019-08-01"
    answer = ask(world, "GET", url, headers={header: SECRET})
    body = answer.json()
    assert answer.status_code == 200
    assert (body["client_id"], body["token_type"], body["resource"]) == (CLIENT, "Bearer", f"{BASE}/")
    assert (body["expires_in"], body["expires_on"]) == ("3600", str(int(NOW) + 3600))
    assert ask(world, "GET", f"{BASE}/subscriptions", **with_token(body["access_token"])).status_code == 200
    assert ask(world, "GET", url, headers={header: "wrong"}).status_code == 401
    assert ask(world, "GET", url).status_code == 400
    elsewhere = url.replace(BASE, "https://vault.azure.net")
    assert ask(world, "GET", elsewhere, headers={header: SECRET}).json()["error"] == "invalid_resource"


IMDS = f"http://127.0.0.1:8080/metadata/identity/oauth2/token?resource={BASE}/"


def test_the_metadata_endpoint_gives_nobody_a_token_unless_it_is_configured(world: World) -> None:
    add(world)
    answer = ask(world, "GET", IMDS, headers={"Metadata": "true"})
    assert (answer.status_code, answer.json()["error"]) == (400, "identity_not_found")
    assert "metadata_identity" in answer.json()["error_description"]


def test_the_metadata_endpoint_gives_the_token_of_the_configured_principal(world: World) -> None:
    world.identify(metadata_identity="me")
    add(world, Role.READER)
    answer = ask(world, "GET", IMDS, headers={"Metadata": "true"})
    headers = with_token(answer.json()["access_token"])
    assert ask(world, "GET", f"{BASE}{GROUP}{V}", **headers).status_code == 200
    assert ask(world, "PUT", f"{BASE}{SET}{V}", a_set(), **headers).status_code == 403
    assert ask(world, "GET", IMDS).status_code == 400
    forwarded = {"Metadata": "true", "X-Forwarded-For": "10.0.0.1"}
    assert ask(world, "GET", IMDS, headers=forwarded).status_code == 400
