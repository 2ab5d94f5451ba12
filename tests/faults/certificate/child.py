"""What a forked process of the system does first: set its environment, which the definitions read when they are loaded."""

from __future__ import annotations

import os
from typing import Any

from busagents.bootstrap.participant import main as run


def main(payload: dict[str, Any], status_fd: int) -> None:
    """Run the participant of `payload["ref"]` in the environment `payload["env"]`."""
    os.environ.update(payload["env"])
    run(payload, status_fd)
