"""The one connection of a process: found once or refused with the address, and then kept for ever."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable

import nats.errors
from nats.aio.client import Client

from busagents.errors import BusUnreachable

_log = logging.getLogger("busagents.bus")
_FIRST_ANSWER = 2  # seconds until the first connection is given up
_PING = 5  # seconds; a link that swallows everything is noticed after two lost pings
_PENDING = 2 * 1024 * 1024  # bytes buffered while disconnected: what was buffered is resolved or sent again anyway
_AUTHORIZATION = "Authorization Violation"  # the protocol's word; nats-py has no type for it here
_BLANKS = " \t\n\r\x0b\f"  # what bytes.strip() takes off; str.strip() takes more


class QuickClient(Client):
    """nats-py's client; reads headers four times as fast, which is most of the cost of reading a log."""

    async def close(self) -> None:
        """Disconnect. What is buffered for a lost connection is dropped: nats-py would fail on it and stay half open."""
        if not self.is_connected:
            self._pending.clear()
            self._pending_data_size = 0
        await super().close()

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """`Name: value` lines; those without a colon, or with a name that is not ASCII or has a space in it, are skipped."""
        text = raw.decode("utf-8", "replace")
        headers = _plain(text)
        if headers is not None:
            return headers
        headers = {}
        for line in text.split("\r\n"):
            name, colon, value = line.partition(":")
            name = name.strip(_BLANKS)
            if colon and name.isascii() and (name.split() == [name] or not name):
                headers[name] = value.strip(_BLANKS)
        return headers


def _plain(text: str) -> dict[str, str] | None:
    """The headers if all lines are of the form `Name: value` that the server and we write, with no blank more or less."""
    if not text.endswith("\r\n\r\n") or not text.isascii() or ":  " in text or " \r" in text:
        return None
    lines = text[:-4].split("\r\n")
    if not "".join(lines).isprintable():
        return None
    try:
        headers = dict([line.split(": ", 1) for line in lines])
    except ValueError:  # a line without a value
        return None
    names = "".join(headers)
    return None if " " in names or ":" in names else headers


class ConnectionEvents:
    """Whom to tell when the connection is lost, and when another one stands: what was asked for on the old one is gone."""

    def __init__(self) -> None:
        self.lost: list[Callable[[], None]] = []
        self.back: list[Callable[[], None]] = []

    async def on_lost(self) -> None:
        """nats-py's callback."""
        for listener in list(self.lost):
            listener()

    async def on_back(self) -> None:
        """nats-py's callback."""
        for listener in list(self.back):
            listener()


async def connect_client(
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    name: str = "busagents",
    inbox_prefix: str | None = None,
    events: ConnectionEvents | None = None,
) -> Client:
    """Connect to `url` (several, comma-separated, for a cluster), and from then on reconnect for ever.

    Raises:
        BusUnreachable: nothing answers at the address, or refuses the credentials; the text has none.
    """
    client = QuickClient()
    causes: deque[Exception] = deque(maxlen=4)  # nats-py tells them to the callback only

    async def note(error: Exception) -> None:  # later they come and go with the connection; the calls affected raise their own
        _log.debug("connection: %s: %s", type(error).__name__, error)
        causes.append(error)

    try:
        async with asyncio.timeout(_FIRST_ANSWER + 3):
            await client.connect(
                servers=url.split(","),
                user=user,
                password=password,
                name=name,
                connect_timeout=_FIRST_ANSWER,
                allow_reconnect=True,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                ping_interval=_PING,
                max_outstanding_pings=2,
                pending_size=_PENDING,
                inbox_prefix=inbox_prefix or "_INBOX",
                error_cb=note,
                disconnected_cb=events.on_lost if events is not None else None,
                reconnected_cb=events.on_back if events is not None else None,
            )
    except (nats.errors.Error, TimeoutError, OSError, ValueError) as error:
        raise _unreachable(re.sub(r"//[^@/]*@", "//", url), [*causes, error]) from None
    client.options["max_reconnect_attempts"] = -1
    client.options["reconnect_time_wait"] = 0.1  # seconds; connect() takes whole ones only
    return client


def _unreachable(shown: str, causes: list[Exception]) -> BusUnreachable:
    if any(_AUTHORIZATION in str(cause) for cause in causes):
        return BusUnreachable(
            f"the NATS server at {shown} refuses our credentials: set BUSAGENTS_NATS_USER and BUSAGENTS_NATS_PASSWORD to a user"
            " it knows"
        )
    why = type(causes[0]).__name__
    return BusUnreachable(f"no NATS server lets us in at {shown} ({why}): start one with `busagents up`, or pass --nats URL")
