"""`busagents config show`: every setting with its origin, no secret."""

from __future__ import annotations

import json
from pathlib import Path

from msgspec.structs import fields
from support.running_system import busagents

from busagents.settings import Settings

SECRET = "s3cret-0f-a-test"


async def test_every_setting_is_shown_with_its_origin(tmp_path: Path) -> None:
    code, out, err = await busagents("config", "show", "--json", cwd=tmp_path, BUSAGENTS_ACK_WAIT="5")
    assert code == 0, err
    rows = {row["setting"]: row for row in json.loads(out)["items"]}
    assert list(rows) == [field.name for field in fields(Settings)]
    assert (rows["ack_wait"]["value"], rows["ack_wait"]["origin"]) == ("5.0", "environment")
    assert rows["data_dir"]["origin"] == "default"


async def test_no_secret_is_shown_by_config_or_doctor(tmp_path: Path) -> None:
    secrets = {
        "OPENAI_API_KEY": SECRET,
        "BUSAGENTS_NATS_PASSWORD": SECRET,
        "BUSAGENTS_NATS_URL": f"nats://me:{SECRET}@127.0.0.1:1",
    }
    for verb in (("config", "show"), ("config", "show", "--json"), ("doctor",), ("doctor", "--json")):
        _, out, err = await busagents(*verb, cwd=tmp_path, **secrets)
        assert out
        assert SECRET not in out + err
