"""Which log this system uses: remembered for each server or cluster, however its addresses are written."""

from __future__ import annotations

from pathlib import Path

from busagents.adapters.jetstream.identity import StreamIdentity
from busagents.bootstrap.identity import OWN_SERVER, known_stream, remember_stream

LOG = StreamIdentity("2026-01-02T03:04:05Z", "genesis", 7)


def test_a_clusters_log_is_known_in_whatever_order_its_nodes_are_named(tmp_path: Path) -> None:
    remember_stream(tmp_path, "nats://a:4222,nats://b:4222,nats://c:4222", LOG)
    assert known_stream(tmp_path, "nats://c:4222, nats://a:4222,nats://b:4222") == LOG
    assert known_stream(tmp_path, "nats://a:4222,nats://b:4222") is None
    assert known_stream(tmp_path, OWN_SERVER) is None


def test_credentials_in_an_address_are_not_written_down(tmp_path: Path) -> None:
    remember_stream(tmp_path, "nats://user:secret@a:4222,nats://user:secret@b:4222", LOG)
    assert known_stream(tmp_path, "nats://a:4222,nats://b:4222") == LOG
    assert all("secret" not in file.read_text() for file in tmp_path.iterdir())
