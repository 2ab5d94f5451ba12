"""`busagents agents`: who is on the bus."""

from __future__ import annotations

from tests.support.command_line import CommandLine


async def test_the_list_has_a_line_for_each_participant(cli: CommandLine) -> None:
    done = await cli("agents", "list")
    assert (done.code, done.err) == (0, "")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert [row[0] for row in rows] == ["broken", "counter", "echo", "hostile", "queue", "slow", "teller", "weather"]
    assert ["echo", "1", "function", "Says what it is told."] in rows
    assert ["teller", "1", "scripted:test", "Doubles numbers."] in rows


async def test_with_json_it_is_one_list_of_processes(cli: CommandLine) -> None:
    listed = (await cli("agents", "list", "--json")).json
    assert listed["next"] is None
    [echo] = [item for item in listed["items"] if item["name"] == "echo"]
    assert echo.pop("instance")
    assert echo == {
        "name": "echo",
        "description": "Says what it is told.",
        "version": "0.1.0",
        "metadata": {"model": "", "kind": "function"},
    }


async def test_on_a_terminal_it_is_a_table_under_a_header(cli: CommandLine) -> None:
    code, shown = await cli.on_terminal("agents", "list", NO_COLOR="1")
    assert code == 0
    assert shown.splitlines()[0].split() == ["NAME", "REPLICAS", "MODEL", "DESCRIPTION"]
    assert "\x1b" not in shown


async def test_no_bus_and_no_such_option(cli: CommandLine) -> None:
    assert (await cli("agents", "list", "--nats", "nats://127.0.0.1:1")).code == 8
    assert (await cli("agents", "list", "--nonsense")).code == 2
    assert (await cli("agents", "nonsense")).code == 2
