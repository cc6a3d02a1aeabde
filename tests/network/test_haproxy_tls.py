"""The machine's own HAProxy with TLS on either side, redirects, other paths and probes that read answers."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import stat
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.model.network.traffic import (
    Backend,
    BackendTls,
    Check,
    Listener,
    Mode,
    Redirect,
    Route,
    Side,
    Tls,
    Traffic,
    certificate,
)
from orchestrator.model.resource_id import parse_resource_id
from orchestrator.network.haproxy import HaproxyBalancer
from orchestrator.plan.gateway_traffic import gateway_traffic
from orchestrator.plan.traffic import Place, Rotation
from tests.api.az_network import PIP, VNET, pip_body, vnet_body
from tests.api.fake_world import make_world
from tests.api.test_application_gateways import (
    AWAY,
    BEGIN,
    GATEWAY,
    certificate_of,
    child,
    own,
    redirect,
    rule,
    with_tls,
)
from tests.network.certificate_files import Signed, authority, signed
from tests.network.test_haproxy import FRONT, PORT, Server, are_up, balancing, until

CHECK = Check("http", 0, 1.0, "/healthz")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server("s0", "127.99.1.1")
    yield made
    made.close()


def a_tls(*names: str, **more: object) -> tuple[Tls, dict[str, Signed]]:
    """The first name's certificate is the default one, the others' are for them."""
    made = {name: signed(name, authority()) for name in names}
    first, *rest = (certificate(made[name].server_pem, (name,)) for name in names)
    return replace(Tls(tuple(rest), certificate(first.pem)), **more), made  # type: ignore[arg-type]


def over(tls: Tls, server: Server, *routes: Route, **more: object) -> Traffic:
    backend = Backend("back", Mode.HTTP, (server.member(),), CHECK)
    listener = Listener("front", FRONT, PORT, Mode.HTTP, "back", routes=routes, tls=tls)
    return Traffic((listener,), (replace(backend, **more),))  # type: ignore[arg-type]


def handshake(name: str | None, **limits: object) -> tuple[str, str | None, str | None]:
    """Whose certificate is shown, which version of TLS is spoken, and which protocol over it."""
    context = ssl.create_default_context(cadata=authority().pem)
    context.check_hostname = False
    context.set_alpn_protocols(["h2", "http/1.1"])
    for key, value in limits.items():
        setattr(context, key, value)
    with (
        socket.create_connection((FRONT, PORT), 5) as plain,
        context.wrap_socket(plain, server_hostname=name) as it,
    ):
        shown = it.getpeercert() or {}
        names: dict[str, str] = {}
        for part in shown.get("subject", ()):
            names.update(dict(part))  # type: ignore[arg-type]
        return names["commonName"], it.version(), it.selected_alpn_protocol()


async def shown(name: str | None, **limits: object) -> tuple[str, str | None, str | None]:
    return await asyncio.to_thread(handshake, name, **limits)


def test_each_host_is_shown_its_certificate_and_who_names_none_the_default(server: Server, tmp_path: Path) -> None:
    async def go() -> None:
        tls, _ = a_tls("rest.example", "shop.example", "blog.example")
        async with balancing(tmp_path) as balancer:
            await balancer.apply(over(tls, server))
            for name, whose in [
                ("shop.example", "shop.example"),
                ("BLOG.example", "blog.example"),
                ("other.example", "rest.example"),
                (None, "rest.example"),
            ]:
                assert (await shown(name))[0] == whose, name

    asyncio.run(go())


def test_without_a_default_an_unknown_name_gets_no_answer(server: Server, tmp_path: Path) -> None:
    async def go() -> None:
        tls, made = a_tls("rest.example", "shop.example")
        wild = certificate(made["rest.example"].server_pem, ("*.rest.example",))
        async with balancing(tmp_path) as balancer:
            await balancer.apply(over(replace(tls, default=None, certificates=(*tls.certificates, wild)), server))
            assert (await shown("shop.example"))[0] == "shop.example"
            assert (await shown("a.rest.example"))[0] == "rest.example"
            for name in ("rest.example", "a.b.rest.example", None):
                with pytest.raises(OSError, match=r"(?i)alert|eof|unrecognized name"):
                    await shown(name)

    asyncio.run(go())


def test_old_versions_are_refused_and_http_2_is_spoken_where_it_is_wanted(server: Server, tmp_path: Path) -> None:
    async def go() -> None:
        tls, _ = a_tls("rest.example")
        old = {"maximum_version": ssl.TLSVersion.TLSv1_2}
        async with balancing(tmp_path) as balancer:
            await balancer.apply(over(tls, server))
            assert await shown(None) == ("rest.example", "TLSv1.3", "http/1.1")
            assert (await shown(None, **old))[1] == "TLSv1.2"
            await balancer.apply(over(replace(tls, minimum="TLSv1.3", speaks_h2=True), server))
            assert (await shown(None))[2] == "h2"
            with pytest.raises(OSError, match=r"(?i)alert|version"):
                await shown(None, **old)

    asyncio.run(go())


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl speaks HTTP/2, and Python does not")
def test_a_request_over_http_2_reaches_a_member_that_is_told_so(server: Server, tmp_path: Path) -> None:
    async def go() -> None:
        tls, _ = a_tls("rest.example", speaks_h2=True)
        async with balancing(tmp_path) as balancer:
            await balancer.apply(over(tls, server))
            await are_up(balancer, "s0")
            command = [
                "curl",
                "--silent",
                "--show-error",
                "--insecure",
                "--http2",
                "--write-out",
                " %{http_version}",
            ]
            ran = await asyncio.to_thread(
                subprocess.run, [*command, f"https://{FRONT}:{PORT}/"], capture_output=True, check=True, timeout=20
            )
            assert ran.stdout.decode() == "s0 2"
            assert {key.lower(): value for key, value in server.seen[0].items()}["x-forwarded-proto"] == "https"

    asyncio.run(go())


def test_a_changed_certificate_is_shown_and_no_connection_is_cut(server: Server, tmp_path: Path) -> None:
    async def go() -> None:
        before, _ = a_tls("old.example")
        after, _ = a_tls("new.example")
        async with balancing(tmp_path) as balancer:
            await balancer.apply(over(before, server))
            await are_up(balancer, "s0")
            server.pause_s = 1.0
            under_way = asyncio.create_task(asyncio.to_thread(fetched))
            await until(lambda: asyncio.sleep(0, server.seen), "a request is under way")
            await balancer.apply(over(after, server))
            assert (await shown(None))[0] == "new.example"
            assert await under_way == "s0", "what was under way goes on to its end"
            files = {path.name: path for path in (tmp_path / "b").glob("*.pem")}
            assert set(files) == {f"{after.default.digest}.pem"} if after.default else None
            assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
        assert not [*(tmp_path / "b").glob("*.pem")], "no key is left when nothing listens any more"

    asyncio.run(go())


def fetched() -> str:
    context = ssl.create_default_context(cadata=authority().pem)
    context.check_hostname = False
    with urllib.request.urlopen(f"https://{FRONT}:{PORT}/", timeout=10, context=context) as answer:
        return str(answer.read().decode())


def to_the_end(text: str) -> str:
    """All that is answered before the connection is closed."""
    with socket.create_connection((FRONT, PORT), 5) as client:
        client.sendall(text.encode())
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def asked_raw(path: str, host: str | None = "shop.example") -> tuple[str, str]:
    """The status and where it leads."""
    named = f"Host: {host}\r\n" if host else ""
    version = "1.1" if host else "1.0"
    lines = to_the_end(f"GET {path} HTTP/{version}\r\n{named}Connection: close\r\n\r\n").splitlines()
    found = [line.split(": ", 1)[1] for line in lines if line.lower().startswith("location: ")]
    return lines[0].split()[1], found[0] if found else ""


@pytest.mark.parametrize(
    ("redirect", "path", "host", "expected"),
    [
        (Redirect("https://*", 301, keeps_path=True, keeps_query=True), "/a/b?c=%20", "shop.example:18080",
         ("301", "https://shop.example/a/b?c=%20")),
        (Redirect("https://*:8443", 302), "/a?c", "shop.example", ("302", "https://shop.example:8443")),
        (Redirect("https://*:8443", 302), "/a", "[fd00::1]:80", ("302", "https://[fd00::1]:8443")),
        (Redirect("https://*", 302), "/a", None, ("400", "")),
        (Redirect("http://x.example/50%25/", 303, keeps_path=True), "/a?c", "h",
         ("303", "http://x.example/50%25/a")),
        (Redirect("http://x.example/in", 307, keeps_query=True), "/a?c=1", "h", ("307", "http://x.example/in?c=1")),
        (Redirect("http://x.example/in", 307, keeps_query=True), "/a", "h", ("307", "http://x.example/in")),
        (Redirect("http://x.example/in?q=it's"), "/a?c=1", "h", ("301", "http://x.example/in?q=it's")),
    ],
)  # fmt: skip
def test_a_redirect_keeps_what_it_is_told_to(
    redirect: Redirect, path: str, host: str | None, expected: tuple[str, str], tmp_path: Path
) -> None:
    async def go() -> None:
        listener = Listener("front", FRONT, PORT, Mode.HTTP, None, routes=(Route(redirect=redirect),))
        async with balancing(tmp_path) as balancer:
            await balancer.apply(Traffic((listener,)))
            assert await asyncio.to_thread(asked_raw, path, host) == expected

    asyncio.run(go())


class Paths(Server):
    """Answers with the path that it was asked for."""

    def __init__(self, address: str) -> None:
        super().__init__("paths", address)
        handler = self._server.RequestHandlerClass
        outer = handler.do_GET  # type: ignore[attr-defined]

        def do_get(it: object) -> None:
            self.name = str(it.path)  # type: ignore[attr-defined]
            outer(it)

        handler.do_GET = do_get  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("paths", "path", "expected"),
    [
        ((), "/home/?q=1", "/new/home/?q=1"),
        ((), "/", "/new/"),
        (("/rule*",), "/rule/home/", "/new/home/"),
        (("/rule/home*",), "/RULE/home/", "/new/"),
        (("/rule/", "/x.y/*"), "/rule/", "/new/"),
        (("/rule/*", "/rule/a/*"), "/rule/a/b", "/new/b"),
    ],
)
def test_a_prefix_takes_the_place_of_the_one_that_led_here(
    paths: tuple[str, ...], path: str, expected: str, tmp_path: Path
) -> None:
    async def go() -> None:
        server = Paths("127.99.1.2")
        route = Route((), paths, "back", path_prefix="/new/")
        listener = Listener("front", FRONT, PORT, Mode.HTTP, None, routes=(route,))
        async with balancing(tmp_path) as balancer:
            await balancer.apply(Traffic((listener,), (Backend("back", Mode.HTTP, (server.member(),)),)))
            text = f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
            assert (await asyncio.to_thread(to_the_end, text)).splitlines()[-1] == expected
        server.close()

    asyncio.run(go())


def test_what_no_route_takes_is_not_found_and_the_routes_are_taken_all_the_same(
    server: Server, tmp_path: Path
) -> None:
    async def go() -> None:
        plain = over(a_tls("rest.example")[0], server, Route(("shop.example",), (), "back"))
        plain = replace(plain, listeners=(replace(plain.listeners[0], tls=None, backend=None),))
        async with balancing(tmp_path) as balancer:
            await balancer.apply(plain)
            await are_up(balancer, "s0")
            assert (await asyncio.to_thread(asked_raw, "/", "shop.example"))[0] == "200"
            assert (await asyncio.to_thread(asked_raw, "/", "other.example"))[0] == "404"

    asyncio.run(go())


def test_a_probe_reads_the_status_and_the_body(server: Server, tmp_path: Path) -> None:
    async def go() -> None:
        async with balancing(tmp_path) as balancer:
            good = Check("http", 0, 1.0, "/healthz", body="s0", statuses=((200, 299), (401, 401)))
            plain = over(a_tls("rest.example")[0], server, check=good)
            await balancer.apply(plain)
            await are_up(balancer, "s0")
            other = replace(good, body="'something else'")
            await balancer.apply(replace(plain, backends=(replace(plain.backends[0], check=other),)))
            await until(lambda: is_sick(balancer), "the body is not the one that is wanted")

    asyncio.run(go())


async def is_sick(balancer: HaproxyBalancer) -> bool:
    return all(each.is_up is False for each in await balancer.look())


@contextlib.contextmanager
def speaking_tls(whose: Signed, folder: Path) -> Iterator[tuple[Server, list[str | None]]]:
    """A member that speaks TLS, and the names that it was told before handshakes."""
    server, names = Server("safe", "127.99.1.3"), list[str | None]()
    file = folder / "member.pem"
    file.write_text(whose.server_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    try:
        yield server, names
    finally:
        server.close()


ASKED = "GET / HTTP/1.1\r\nHost: asked.example\r\nConnection: close\r\n\r\n"
Change = Callable[[BackendTls], BackendTls]


@pytest.mark.parametrize(
    ("change", "is_taken"),
    [
        (lambda tls: tls, True),
        (lambda tls: replace(tls, name="other.example"), False),
        (lambda tls: replace(tls, roots=(signed("stranger").pem,)), False),
        (lambda tls: replace(tls, roots=()), False),
        (lambda tls: BackendTls(), True),
    ],
)
def test_a_member_that_speaks_tls_is_taken_where_its_certificate_is_right_or_not_asked_for(
    change: Change, is_taken: bool, tmp_path: Path
) -> None:
    async def go() -> None:
        tls = change(BackendTls("inner.example", is_verified=True, roots=(authority().pem,)))
        check = Check("https", 0, 1.0, "/healthz")
        backend = Backend("back", Mode.HTTP, (), check, tls=tls, host_header="inner.example")
        with speaking_tls(signed("inner.example", authority()), tmp_path) as (server, names):
            check = replace(check, port=server.port)
            backend = replace(backend, check=check)
            front = Listener("front", FRONT, PORT, Mode.HTTP, "back")
            async with balancing(tmp_path) as balancer:
                await balancer.apply(Traffic((front,), (backend,)))
                joined = Traffic((front,), (replace(backend, members=(server.member(),)),))
                await balancer.apply(joined)  # it joins while the balancer runs
                if is_taken:
                    await are_up(balancer, "safe")
                    answer = await asyncio.to_thread(to_the_end, ASKED)
                    assert answer.splitlines()[-1] == "safe"
                    told = {key.lower(): value for key, value in server.seen[-1].items()}
                    assert (told["host"], told["x-original-host"]) == ("inner.example", "asked.example")
                else:
                    await until(lambda: is_refused(balancer), "its certificate is refused")
                assert set(names) == {tls.name}
                await balancer.apply(Traffic())
                await balancer.apply(joined)  # and it is there from the start

                async def is_as_before() -> bool:
                    return await is_refused(balancer) if not is_taken else not await is_sick(balancer)

                await until(is_as_before, "the same from the configuration")

    asyncio.run(go())


async def is_refused(balancer: HaproxyBalancer) -> bool:
    return any(each.is_up is False and "L6" in each.detail for each in await balancer.look())


def test_a_gateway_that_was_put_by_the_api_answers_over_https_and_sends_http_there(
    server: Server, tmp_path: Path
) -> None:
    world = make_world()
    body = with_tls(certificate_of(signed("shop.example", authority(), begins=BEGIN, days=36_500)))
    properties = body["properties"]
    to = {"redirectConfiguration": own("redirectConfigurations", "to")}
    properties["requestRoutingRules"] = [rule("safe", 10), rule("all", 20, **AWAY, **to)]
    properties["redirectConfigurations"] = [redirect(targetListener=own("httpListeners", "safe"), includePath=True)]
    properties["frontendPorts"] = [child("http", port=PORT), child("https", port=PORT + 1)]
    properties["backendHttpSettingsCollection"] = [child("plain", port=server.port, path="/inner")]
    for path, given in [(VNET, vnet_body()), (PIP, pip_body()), (GATEWAY, body)]:
        assert world.put(path, given).status_code == 201
    stored = world.store.resource(parse_resource_id(GATEWAY))
    world.store.close()
    assert stored is not None
    place = Place("s0", server.address, Rotation.SERVES)
    pools = {f"{GATEWAY}/backendAddressPools/pool".lower(): [place]}
    wanted = gateway_traffic(stored.id, stored.body, lambda _: [(FRONT, Side.GUESTS)], pools, stored.secrets)

    async def go() -> None:
        async with balancing(tmp_path) as balancer:
            await balancer.apply(wanted)
            await are_up(balancer, "s0")
            answer = await asyncio.to_thread(asked_raw, "/a", "shop.example")
            assert answer == ("301", f"https://shop.example:{PORT + 1}/a")
            context = ssl.create_default_context(cadata=authority().pem)
            reader, writer = await asyncio.open_connection(
                FRONT, PORT + 1, ssl=context, server_hostname="shop.example"
            )
            writer.write(b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"s0")
            writer.close()

    asyncio.run(go())
