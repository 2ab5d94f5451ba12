"""A remote agent for tests that kill its process; where its peer is comes from the environment."""

from __future__ import annotations

import os

from busagents import RemoteAgent

helper = RemoteAgent(
    "helper",
    card_url=os.environ["PEER_URL"],
    description="Helps.",
    idempotent=os.environ.get("PEER_IDEMPOTENT") == "1",
    max_parallel_tasks=4,
)
