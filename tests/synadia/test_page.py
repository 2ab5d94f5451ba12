"""What the page on the protocol shows works."""

from __future__ import annotations

import re
from pathlib import Path

from busagents.adapters.synadia.subjects import address
from busagents.domain.synadia_agent import SynadiaAgent
from busagents.domain.synadia_facade import SynadiaFacade

PAGE = (Path(__file__).parents[2] / "docs" / "synadia.md").read_text()


def test_the_declarations_are_ones_and_the_subject_is_that_of_the_session_they_list() -> None:
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(block, names)
    door, coder = names["door"], names["coder"]
    assert isinstance(coder, SynadiaAgent)
    assert isinstance(door, SynadiaFacade)
    assert door.expose is not None
    subject = address(door.expose[0], door.owner, door.sessions[0]).subject("prompt")
    assert re.findall(r"'(agents\.[^']+)'", PAGE) == [subject]
