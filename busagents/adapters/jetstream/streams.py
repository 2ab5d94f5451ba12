"""The log's stream and the inboxes' consumers as declared data, and what makes an existing stream unusable."""

from __future__ import annotations

from typing import Any

import msgspec

from busagents.domain.subjects import BLOB_BUCKET, LIVE_PREFIX, LOG_PREFIX, STREAM, inbox_consumer, inbox_filters

BLOB_STREAM = f"OBJ_{BLOB_BUCKET}"
NANOS = 1_000_000_000
DUPLICATE_WINDOW = 120.0  # seconds in which the server itself drops a repeated Nats-Msg-Id; memory = rate x window
MAX_DELIVER = -1  # without end: the worker gives messages up, with a reason in the log; the server would drop them silently


class ConsumerSettings(msgspec.Struct, frozen=True):
    """How inboxes are served: seconds until a silent holder loses a delivery, deliveries of one message at most (-1: no
    bound), seconds one pull waits at the server, seconds between the signs of life that the server gives meanwhile.
    """

    ack_wait: float = 10.0
    max_deliver: int = MAX_DELIVER
    pull_expires: float = 30.0
    heartbeat: float = 3.0


def log_stream(replicas: int, max_bytes: int, *, duplicate_window: float = DUPLICATE_WINDOW) -> dict[str, Any]:
    """The configuration of the log, as the server's JSON API takes it. `max_bytes` -1: as much as the account may store."""
    return {
        "name": STREAM,
        "subjects": [f"{LOG_PREFIX}.*.*.*.*"],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": replicas,
        "max_age": 0,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_bytes": max_bytes,
        "duplicate_window": int(duplicate_window * NANOS),
        "deny_delete": True,
        "allow_direct": True,
        "republish": {
            "src": f"{LOG_PREFIX}.*.*.*.ev",
            "dest": f"{LIVE_PREFIX}.{{{{wildcard(2)}}}}.{{{{wildcard(1)}}}}.{{{{wildcard(3)}}}}",
        },
    }


def blob_stream(replicas: int) -> dict[str, Any]:
    """The configuration of the object store's stream, as the Python client makes it too."""
    return {
        "name": BLOB_STREAM,
        "subjects": [f"$O.{BLOB_BUCKET}.C.>", f"$O.{BLOB_BUCKET}.M.>"],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": replicas,
        "max_age": 0,
        "max_bytes": -1,
        "allow_rollup_hdrs": True,
        "allow_direct": True,
    }


def inbox_settings(participant: str, settings: ConsumerSettings) -> dict[str, Any]:
    """The configuration of a participant's durable consumer."""
    return {
        "durable_name": inbox_consumer(participant),
        "filter_subjects": inbox_filters(participant),
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "ack_wait": int(settings.ack_wait * NANOS),
        "max_deliver": settings.max_deliver,
        "max_ack_pending": 20_000,
        "max_waiting": 4096,
        "num_replicas": 0,  # as many as the log, whatever the process that opens it first was told
    }


_REQUIRED: dict[str, Any] = {
    "subjects": [f"{LOG_PREFIX}.*.*.*.*"],
    "retention": "limits",
    "storage": "file",
    "discard": "new",
    "max_age": 0,
    "max_msgs": -1,
    "max_msgs_per_subject": -1,
    "deny_delete": True,
    "deny_purge": False,
    "allow_direct": True,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
    "sealed": False,
    "persist_mode": "default",
    "republish": log_stream(1, -1)["republish"],
}
# What the server leaves out of its answer when it is so.
_LEFT_OUT: dict[str, Any] = {
    "max_age": 0,
    "deny_delete": False,
    "deny_purge": False,
    "allow_direct": False,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
    "sealed": False,
    "persist_mode": "default",
    "republish": None,
}


def harmful_settings(config: dict[str, Any], replicas: int) -> list[str]:
    """Each setting under which entries could be lost, altered or go unheard, with its value and what it must be."""
    found = []
    for name, wanted in _REQUIRED.items():
        value = config.get(name, _LEFT_OUT.get(name))
        if value != wanted and not (name == "persist_mode" and value == ""):
            found.append(f"{name}={value!r} (must be {wanted!r})")
    if config.get("num_replicas", 1) < replicas:
        found.append(f"num_replicas={config.get('num_replicas', 1)} (must be {replicas} or more)")
    return found
