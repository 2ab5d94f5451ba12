"""Which addresses are called: a URL from outside leads to no private place, whatever its name is answered with."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from busagents.adapters.a2a_client.client import A2ARemotes
from busagents.adapters.a2a_client.guard import GuardedTransport, UrlGuard, names_private_host
from busagents.ports.remote import RemoteForbidden, RemoteInvalid, RemoteTaskUnknown, RemoteUnreachable
from tests.support.a2a_peer import a2a_peer

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "::1", "fd00::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
]  # fmt: skip
NEVER = [
    "169.254.169.254",
    "fe80::1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    "::ffff:169.254.169.254",
]
PUBLIC = ["93.184.216.34", "2606:2800:220:1::1", "8.8.8.8"]


def url(address: str, scheme: str = "https") -> str:
    return f"{scheme}://[{address}]/" if ":" in address else f"{scheme}://{address}/"


def resolving(*addresses: str) -> UrlGuard:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return UrlGuard(resolve=resolve)


@pytest.mark.parametrize("address", PRIVATE + NEVER)
async def test_no_address_of_a_private_network_is_called(address: str) -> None:
    with pytest.raises(RemoteForbidden):
        await UrlGuard().pin(url(address))
    with pytest.raises(RemoteForbidden):
        await resolving(address).pin("https://agents.example/")
    with pytest.raises(RemoteForbidden):  # one bad address spoils a name
        await resolving(PUBLIC[0], address).pin("https://agents.example/")


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_addresses_are_called(address: str) -> None:
    assert await UrlGuard().pin(url(address)) == address
    assert await resolving(address).pin("https://agents.example/") == address


@pytest.mark.parametrize("address", PRIVATE)
async def test_private_ones_are_called_where_that_was_declared(address: str) -> None:
    assert await UrlGuard(allow_private=True).pin(url(address, "http")) == address


@pytest.mark.parametrize("address", NEVER)
async def test_some_are_never_called(address: str) -> None:
    with pytest.raises(RemoteForbidden):
        await UrlGuard(allow_private=True).pin(url(address, "http"))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_what_is_not_global_is_never_called(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if not address.is_global:
        with pytest.raises(RemoteForbidden):
            UrlGuard().check(url(str(address)))


@pytest.mark.parametrize(
    "bad",
    [
        "http://agents.example/",
        "ftp://agents.example/",
        "file:///etc/passwd",
        "https://",
        "https://u:p@agents.example/",
        "x",
        "https://[1/",
    ],
)
async def test_urls_that_are_no_public_https_are_not_called(bad: str) -> None:
    with pytest.raises(RemoteForbidden) as refused:
        await resolving(PUBLIC[0]).pin(bad)
    assert "u:p" not in str(refused.value)


@pytest.mark.parametrize(
    ("where", "private"),
    [
        ("http://localhost:8000/", True), ("http://agent/", True), ("http://10.1.2.3/", True), ("http://[::1]/", True),
        ("https://agent.svc.cluster.local/", True), ("https://agent.internal/", True), ("https://agents.example/", False),
        ("https://8.8.8.8/", False), ("http://169.254.169.254/", False), ("https://localhost.example/", False),
    ],
)  # fmt: skip
def test_only_a_url_that_says_so_itself_is_private(where: str, private: bool) -> None:
    assert names_private_host(where) == private


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """The name is resolved once: what it is answered with the second time does not matter."""
    answers = [["127.0.0.1"], ["203.0.113.1"]]

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    async with a2a_peer() as peer:
        port = peer.url.rpartition(":")[2]
        transport = GuardedTransport(UrlGuard(allow_private=True, resolve=resolve))
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            found = await client.get(f"http://agents.example:{port}/.well-known/agent-card.json")
        assert found.status_code == 200
        assert len(answers) == 1
        assert peer.watched.asked[0][2]["host"] == f"agents.example:{port}"


async def test_a_name_that_is_not_known_is_unreachable() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(RemoteUnreachable, match=r"agents\.example"):
        await A2ARemotes({}, resolve=resolve).open("x", "https://agents.example/")


async def test_a_public_name_that_leads_to_a_private_address_is_not_called() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    with pytest.raises(RemoteForbidden, match="allow_private"):
        await A2ARemotes({}, resolve=resolve).open("x", "https://agents.example/")


async def test_a_redirect_is_not_followed() -> None:
    async with a2a_peer() as peer:
        peer.watched.redirect = "http://127.0.0.1:1/"
        with pytest.raises(RemoteInvalid, match="redirect"):
            await A2ARemotes({}).open("x", peer.card_url)


@pytest.mark.parametrize(("host", "sent"), [("127.0.0.1", True), ("localhost", False)])
async def test_credentials_go_to_the_host_of_the_card_only(host: str, sent: bool) -> None:
    """`localhost` is another name than the one the user declared, though the card leads there."""
    async with a2a_peer(host=host) as peer:
        remotes = A2ARemotes({"BUSAGENTS_A2A_MY_AGENT_TOKEN": "s3cret", "BUSAGENTS_A2A_MY_AGENT_API_KEY": "k3y"})
        opened = await remotes.open("my-agent", peer.card_url)
        with pytest.raises(RemoteTaskUnknown):
            await opened.get("nothing")
        await remotes.close()
        cards, calls = peer.watched.asked
        assert cards[2]["authorization"] == "Bearer s3cret"
        assert cards[2]["x-api-key"] == "k3y"
        assert ("authorization" in calls[2]) == ("x-api-key" in calls[2]) == sent
