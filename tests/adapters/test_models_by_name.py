"""From a model's name to a model."""

from __future__ import annotations

import pytest

from busagents.bootstrap.models import default_model_notice, resolve_model
from busagents.errors import ModelUnavailable
from busagents.settings import Settings
from busagents.testing import ScriptedModel, say


def test_an_object_is_used_as_it_is() -> None:
    model = ScriptedModel([say("hi")])
    assert resolve_model(model, Settings()) is model


@pytest.mark.parametrize(
    ("settings", "name", "why"),
    [
        (Settings(), "offline:demo", "OPENAI_API_KEY"),
        (Settings(openai_api_key="sk-x"), "openai:gpt-5-mini", "OPENAI_API_KEY is set"),
        (Settings(model="offline:instant"), "offline:instant", "BUSAGENTS_MODEL"),
        (Settings(model="offline:slow", openai_api_key="sk-x"), "offline:slow", "BUSAGENTS_MODEL"),
    ],
)
def test_an_agent_without_a_model_gets_the_best_there_is_and_people_are_told(settings: Settings, name: str, why: str) -> None:
    assert resolve_model(None, settings).name == name
    notice = default_model_notice(settings)
    assert name in notice
    assert why in notice
    assert "sk-x" not in notice
    assert "\n" not in notice


@pytest.mark.parametrize("name", ["gpt-5", "openai:", "nobody:x", "", ":x"])
def test_a_name_that_says_no_known_provider_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ModelUnavailable, match="offline:…, openai:…") as caught:
        resolve_model(name, Settings())
    assert caught.value.code == "unknown_model"


def test_an_unknown_offline_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelUnavailable, match="offline:demo"):
        resolve_model("offline:huge", Settings())


@pytest.mark.parametrize("base_url", [None, "https://api.example.org/v1", "http://10.0.0.7:8000/v1"])
def test_a_missing_key_is_named_by_its_variable(base_url: str | None) -> None:
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY") as caught:
        resolve_model("openai:gpt-5-mini", Settings(openai_base_url=base_url))
    assert caught.value.code == "missing_key"


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8000/v1", "http://localhost:11434/v1", "http://[::1]:1/v1"])
def test_a_server_on_this_machine_needs_no_key(base_url: str) -> None:
    assert resolve_model("openai:local", Settings(openai_base_url=base_url)).name == "openai:local"


def test_settings_show_no_secret() -> None:
    settings = Settings(openai_api_key="sk-1234567890", nats_password="hunter2", nats_user="someone")
    assert "sk-1234567890" not in repr(settings)
    assert "hunter2" not in repr(settings)
    assert "someone" in repr(settings)
