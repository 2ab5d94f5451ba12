"""A tenth of the kill-anywhere certificate, another one each day. All of it: `python -m tests.faults.certificate`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.faults.certificate.runner import certify
from tests.faults.certificate.table import failures, table


async def test_a_kill_at_any_append_send_or_ack_of_any_process_changes_neither_answer_nor_effects(tmp_path: Path) -> None:
    tenth = datetime.now(UTC).timetuple().tm_yday % 10
    certificate = await certify(tmp_path, tenth=tenth)
    assert certificate.passed, f"of tenth {tenth}:\n{table(certificate)}\n{failures(certificate)}"
    assert sum(certificate.points.values()) > 200
    assert len(certificate.runs) >= 20
