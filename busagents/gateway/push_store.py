"""Where push configurations are kept: any replica sees what another stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from busagents.gateway.types import PushConfig


class PushStore(Protocol):
    """Configurations by task and id. Who may see a task was checked before."""

    async def put(self, task_id: str, config: PushConfig) -> PushConfig:
        """Store one, in place of one of the same id; with an id of its own if it has none. What was stored."""
        ...

    async def get(self, task_id: str, config_id: str) -> PushConfig | None:
        """One of a task's, if it is there."""
        ...

    async def list(self, task_id: str) -> Sequence[PushConfig]:
        """All of a task's, by id."""
        ...

    async def delete(self, task_id: str, config_id: str) -> None:
        """Forget one. Nothing happens if it is not there."""
        ...
