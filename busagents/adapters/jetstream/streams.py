"""The stream as declared data, and what makes an existing one unusable."""

from __future__ import annotations

from typing import Any

from busagents.domain.subjects import LIVE_PREFIX, LOG_PREFIX, STREAM

NANOS = 1_000_000_000


def log_stream(replicas: int, max_bytes: int) -> dict[str, Any]:
    """The configuration of the log, as the server's JSON API takes it."""
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
        "duplicate_window": 120 * NANOS,
        "deny_delete": True,
        "allow_direct": True,
        "republish": {
            "src": f"{LOG_PREFIX}.*.*.*.ev",
            "dest": f"{LIVE_PREFIX}.{{{{wildcard(2)}}}}.{{{{wildcard(1)}}}}.{{{{wildcard(3)}}}}",
        },
    }


_REQUIRED: dict[str, Any] = {
    "retention": "limits",
    "storage": "file",
    "discard": "new",
    "max_age": 0,
    "max_msgs": -1,
    "max_msgs_per_subject": -1,
    "deny_delete": True,
    "allow_direct": True,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
    "persist_mode": "",
    "subjects": [f"{LOG_PREFIX}.*.*.*.*"],
}
_ABSENT: dict[str, Any] = {"deny_delete": False, "allow_direct": False, "allow_rollup_hdrs": False, "allow_msg_ttl": False}


def harmful_settings(config: dict[str, Any], replicas: int) -> list[str]:
    """Each setting under which entries could be lost or altered, with its value and what it must be."""
    found = []
    for name, wanted in _REQUIRED.items():
        value = config.get(name, _ABSENT.get(name, wanted))
        if value != wanted:
            found.append(f"{name}={value!r} (must be {wanted!r})")
    if config.get("num_replicas", 1) < replicas:
        found.append(f"num_replicas={config.get('num_replicas', 1)} (must be {replicas} or more)")
    return found
