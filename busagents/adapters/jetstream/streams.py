"""The log's stream and the inboxes' consumers as declared data, and what makes an existing stream unusable."""

from __future__ import annotations

from typing import Any

import msgspec

from busagents.domain.subjects import (
    BLOB_BUCKET,
    LIVE_PREFIX,
    LOG_PREFIX,
    STREAM,
    TIMER_FIRED_PREFIX,
    TIMER_PREFIX,
    TIMER_STREAM,
    inbox_consumer,
    inbox_filters,
)

BLOB_STREAM = f"OBJ_{BLOB_BUCKET}"
NANOS = 1_000_000_000
DUPLICATE_WINDOW = 120.0  # seconds in which the server itself drops a repeated Nats-Msg-Id; memory = rate x window
# What the log takes over from elsewhere: timers that fired, as messages to their threads.
TIMER_SOURCE: dict[str, Any] = {
    "name": TIMER_STREAM,
    "subject_transforms": [
        {
            "src": f"{TIMER_FIRED_PREFIX}.*.*.*",
            "dest": f"{LOG_PREFIX}.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}.{{{{wildcard(3)}}}}.in",
        }
    ],
}
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
        "sources": [TIMER_SOURCE],
        "republish": {
            "src": f"{LOG_PREFIX}.*.*.*.ev",
            "dest": f"{LIVE_PREFIX}.{{{{wildcard(2)}}}}.{{{{wildcard(1)}}}}.{{{{wildcard(3)}}}}",
        },
    }


def timer_stream(replicas: int) -> dict[str, Any]:
    """The configuration of the timers: a stream of its own, because one with schedules can be emptied by a publisher's header."""
    return {
        "name": TIMER_STREAM,
        "subjects": [f"{TIMER_PREFIX}.>"],
        "retention": "workqueue",  # what the log took over is gone
        "storage": "file",
        "discard": "old",  # the server allows no other with schedules
        "num_replicas": replicas,
        "max_age": 0,
        "max_msgs": -1,
        "max_bytes": -1,
        "allow_msg_schedules": True,
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
    "subject_transform": None,
}
_REQUIRED_OF_TIMERS: dict[str, Any] = {
    "subjects": [f"{TIMER_PREFIX}.>"],
    "retention": "workqueue",
    "storage": "file",
    "max_age": 0,
    "max_msgs": -1,
    "max_msgs_per_subject": -1,
    "max_bytes": -1,
    "deny_purge": False,
    "sealed": False,
    "persist_mode": "default",
    "allow_msg_schedules": True,
    "subject_transform": None,
}
# What the server leaves out of its answer when it is so.
_LEFT_OUT: dict[str, Any] = {
    "max_age": 0,
    "deny_delete": False,
    "deny_purge": False,
    "allow_direct": False,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
    "allow_msg_schedules": False,
    "sealed": False,
    "persist_mode": "default",
    "republish": None,
    "subject_transform": None,
}


def harmful_settings(config: dict[str, Any], replicas: int) -> list[str]:
    """Each setting of a log under which entries could be lost, altered or go unheard, with its value and what it must be.

    A log without sources is an older one. A source that is not ours could write facts past every fence.
    """
    found = _others(config, _REQUIRED, replicas)
    sources = config.get("sources") or []
    if sources and not has_timers(config):
        found.append(f"sources={sources!r} (must be {[TIMER_SOURCE]!r})")
    return found


def harmful_timer_settings(config: dict[str, Any], replicas: int) -> list[str]:
    """Each setting of the timers' stream under which one could get lost, with its value and what it must be."""
    return _others(config, _REQUIRED_OF_TIMERS, replicas)


def has_timers(config: dict[str, Any]) -> bool:
    """True if the log takes over what timers store, and nothing else."""
    sources = config.get("sources") or []
    return [{name: value for name, value in source.items() if value} for source in sources] == [TIMER_SOURCE]


def _others(config: dict[str, Any], required: dict[str, Any], replicas: int) -> list[str]:
    found = []
    for name, wanted in required.items():
        value = config.get(name, _LEFT_OUT.get(name))
        if value != wanted and not (name == "persist_mode" and value == ""):
            found.append(f"{name}={value!r} (must be {wanted!r})")
    if config.get("num_replicas", 1) < replicas:
        found.append(f"num_replicas={config.get('num_replicas', 1)} (must be {replicas} or more)")
    return found
