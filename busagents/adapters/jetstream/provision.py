"""Creates what the bus needs, once, and refuses a stream that could lose data or is not the one that was known."""

from __future__ import annotations

from typing import Any

from nats.aio.client import Client

from busagents.adapters.jetstream.api import STREAM_NOT_FOUND, ApiError, call_patiently
from busagents.adapters.jetstream.identity import StreamIdentity, genesis_id
from busagents.adapters.jetstream.streams import (
    BLOB_STREAM,
    DUPLICATE_WINDOW,
    TIMER_SOURCE,
    blob_stream,
    harmful_settings,
    harmful_timer_settings,
    has_timers,
    log_stream,
    timer_stream,
)
from busagents.domain.subjects import BLOB_BUCKET, STREAM, TIMER_STREAM
from busagents.errors import LogRegressed, StreamRefused

_IN_USE = 10058  # created by another process a moment ago, with another max_bytes
_SCHEDULES = 2  # the level of the server's JetStream API from which it keeps timers: 2.12


async def provision(
    client: Client,
    *,
    replicas: int = 1,
    max_bytes: int | None = None,
    known: StreamIdentity | None = None,
    duplicate_window: float = DUPLICATE_WINDOW,
) -> StreamIdentity:
    """Create the log, its timers and the object store of large payloads if absent, check them if not. Returns which log it is.

    `max_bytes` of a new log: default 80 % of what the account may store. `known` is the identity an earlier start recorded:
    then no log is created, because an empty one would hide that the known one is gone. `duplicate_window` is in seconds.
    A log without timers, as older versions made it, gets them and stays the log it is.

    Raises:
        StreamRefused: a stream exists with settings under which entries could be lost, each named; or the server is too old.
        LogRegressed: the known log is gone, or this is another one or an older copy.
        BusUnreachable: the server does not answer, or has JetStream off.
    """
    try:
        info = await _find_stream(client, STREAM)
        is_new = info is None
        if info is None:
            if known is not None:
                raise _regressed(f"stream {STREAM}, created {known.created}, is gone from this server")
            await _ensure_timers(client, replicas)  # first: the log takes over what fires there
            budget = max_bytes if max_bytes is not None else await _room(client)
            info = await _create(client, log_stream(replicas, budget, duplicate_window=duplicate_window))
    except ApiError as error:
        raise StreamRefused(f"stream {STREAM} cannot be created or read: {error}; check the server's JetStream limits") from None
    problems = harmful_settings(info["config"], replicas)
    if problems:
        raise StreamRefused(
            f"stream {STREAM} could lose data with: {'; '.join(problems)}. Change them with `nats stream edit`, or use another account"
        )
    created = str(info["created"])
    if known is not None and known.created != created:
        raise _regressed(
            f"stream {STREAM} on this server was created {created}, the known one {known.created}: it is another log"
        )
    empty = info["state"]["messages"] == 0 and info["state"]["last_seq"] == 0
    genesis = await genesis_id(client, write=is_new or (empty and known is None))
    if known is not None and known.genesis != genesis:
        raise _regressed(f"stream {STREAM} begins with entry {genesis}, the known one with {known.genesis}: it is another log")
    last = int(info["state"]["last_seq"])
    if known is not None and last < known.position:
        raise _regressed(
            f"stream {STREAM} on this server ends at position {last}, it went to {known.position} before: it is an older copy"
        )
    await _ensure_blobs(client, replicas)
    if not is_new:
        await _ensure_timers(client, max(replicas, info["config"].get("num_replicas", 1)), wanted=replicas)
    if not has_timers(info["config"]):
        await _give_timers(client, info)
    return StreamIdentity(created, genesis, last)


async def _find_stream(client: Client, name: str) -> dict[str, Any] | None:
    try:
        return await call_patiently(client, f"STREAM.INFO.{name}")
    except ApiError as error:
        if error.err_code == STREAM_NOT_FOUND:
            return None
        raise


async def _create(client: Client, config: dict[str, Any]) -> dict[str, Any]:
    name = config["name"]
    try:
        return await call_patiently(client, f"STREAM.CREATE.{name}", config)
    except ApiError as error:
        if error.err_code != _IN_USE:
            raise
        return await call_patiently(client, f"STREAM.INFO.{name}")


async def _ensure_timers(client: Client, copies: int, *, wanted: int = 1) -> None:
    """Create the timers' stream with so many copies, or check that it has at least as many as `wanted`."""
    try:
        info = await _find_stream(client, TIMER_STREAM)
        if info is None:
            await _check_version(client)
            info = await _create(client, timer_stream(copies))
    except ApiError as error:
        raise StreamRefused(
            f"stream {TIMER_STREAM} cannot be created or read: {error}; check the server's JetStream limits"
        ) from None
    problems = harmful_timer_settings(info["config"], wanted)
    if problems:
        raise StreamRefused(
            f"stream {TIMER_STREAM} could lose timers with: {'; '.join(problems)}. Change them with `nats stream edit`,"
            " or use another account"
        )


async def _check_version(client: Client) -> None:
    """A server that is too old would take the stream and ignore that it is one of timers."""
    level = int((await call_patiently(client, "INFO")).get("api", {}).get("level", 0))
    if level < _SCHEDULES:
        raise too_old(str(client.connected_server_version), level)


def too_old(version: str, level: int) -> StreamRefused:
    """The refusal of a server without message schedules; `level` is that of its JetStream API."""
    return StreamRefused(
        f"this server cannot keep timers: it is {version}, JetStream API level {level}. Use nats-server 2.12 or newer"
    )


async def _give_timers(client: Client, info: dict[str, Any]) -> None:
    """Let a log without timers take over those that fire. Nothing else about it changes."""
    try:
        await call_patiently(client, f"STREAM.UPDATE.{STREAM}", {**info["config"], "sources": [TIMER_SOURCE]})
    except ApiError as error:
        raise StreamRefused(
            f"stream {STREAM} cannot be given its timers: {error}; check the server's version and this user's permissions"
        ) from None


async def _ensure_blobs(client: Client, replicas: int) -> None:
    try:
        info = await _find_stream(client, BLOB_STREAM) or await _create(client, blob_stream(replicas))
    except ApiError as error:
        raise StreamRefused(
            f"the object store {BLOB_BUCKET} cannot be created or read: {error}; check the server's JetStream limits"
        ) from None
    copies = info["config"].get("num_replicas", 1)
    if copies < replicas:
        raise StreamRefused(
            f"stream {BLOB_STREAM} could lose large payloads with: num_replicas={copies} (must be {replicas} or more)."
            " Change it with `nats stream edit`, or set BUSAGENTS_REPLICAS to what it has"
        )


async def _room(client: Client) -> int:
    """Four fifths of what the account may store, in bytes; -1 when only the server's own limit holds."""
    limits = (await call_patiently(client, "INFO")).get("limits", {})
    storage = int(limits.get("max_storage", -1))
    return -1 if storage <= 0 else storage * 4 // 5


def _regressed(what: str) -> LogRegressed:
    return LogRegressed(
        f"{what}. Going on would hide the loss: restore the store, or remove identity.json from the data directory to accept it"
    )
