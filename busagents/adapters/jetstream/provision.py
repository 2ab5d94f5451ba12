"""Creates what the bus needs, once, and refuses a stream that could lose data."""

from __future__ import annotations

from nats.aio.client import Client
from nats.js.errors import BucketNotFoundError

from busagents.adapters.jetstream.api import ApiError, call
from busagents.adapters.jetstream.streams import harmful_settings, log_stream
from busagents.domain.subjects import BLOB_BUCKET, STREAM
from busagents.errors import LogRegressed, StreamRefused

_STREAM_NOT_FOUND = 10059


async def provision(client: Client, *, replicas: int = 1, max_bytes: int | None = None, known: str | None = None) -> str:
    """Create the log and the blob bucket if they are absent. Returns the stream's identity (its creation time).

    `known` is the identity an earlier start recorded: then nothing is created silently.

    Raises:
        StreamRefused: the stream exists with settings under which entries could be lost; each is named.
        LogRegressed: the known stream is gone, or is another one.
    """
    try:
        info = await call(client, f"STREAM.INFO.{STREAM}")
    except ApiError as error:
        if error.err_code != _STREAM_NOT_FOUND:
            raise StreamRefused(f"stream {STREAM} cannot be inspected: {error}; check the server's JetStream state") from None
        if known is not None:
            raise LogRegressed(
                f"the stream {STREAM} created {known} is gone from this server. A new empty log would hide the loss: "
                "restore the store, or remove identity.json from the data directory to start anew"
            ) from None
        budget = max_bytes if max_bytes is not None else await _room(client)
        info = await call(client, f"STREAM.CREATE.{STREAM}", log_stream(replicas, budget))
    problems = harmful_settings(info["config"], replicas)
    if problems:
        raise StreamRefused(f"stream {STREAM} could lose data with: {'; '.join(problems)}. Change them, or use another account")
    created = str(info["created"])
    if known is not None and known != created:
        raise LogRegressed(
            f"the stream {STREAM} on this server was created {created}, the known one {known}: it is another log. "
            "Restore the store, or remove identity.json from the data directory to accept this one"
        )
    js = client.jetstream()
    try:
        await js.object_store(BLOB_BUCKET)
    except BucketNotFoundError:
        await js.create_object_store(BLOB_BUCKET)
    return created


async def _room(client: Client) -> int:
    """Four fifths of what the account may store, in bytes; -1 when unlimited."""
    limits = (await call(client, "INFO")).get("limits", {})
    storage = int(limits.get("max_storage", -1))
    return -1 if storage <= 0 else storage * 4 // 5
