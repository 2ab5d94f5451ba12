"""`busagents up`, `ps` and `down` with real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

from support.running_system import ECHO, alive, busagents, gone, running, write_services


async def test_up_reports_ready_when_every_participant_serves(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path) as system:
        assert [(row["name"], row["state"]) for row in system.ready["participants"]] == [("echo", "ready")]
        assert [(row["name"], row["state"]) for row in await system.ps()] == [("nats-server", "ready"), ("echo", "ready")]


async def test_ctrl_c_stops_every_process_and_exits_0(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path) as system:
        pids = await system.processes()
        assert len(pids) == 4  # up, nats-server, the warm parent, echo
        system.process.send_signal(signal.SIGINT)
        assert await system.ended() == 0
        await gone(pids)
    assert not (tmp_path / ".busagents" / "run.json").exists()


async def test_down_stops_the_system_and_returns_when_it_is_gone(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path) as system:
        pids = await system.processes()
        code, out, _ = await busagents("down", "--json", cwd=tmp_path)
        assert (code, json.loads(out)) == (0, {"stopped": system.process.pid})
        assert not any(alive(pid) for pid in pids[1:])
        assert await system.ended() == 0
        assert system.said == ""


async def test_kill_9_of_up_leaves_no_process_and_no_obstacle(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path) as system:
        pids = await system.processes()
        system.process.kill()
        await gone(pids)
    code, _, err = await busagents("ps", cwd=tmp_path)
    assert code == 7
    assert "does not run" in err
    async with running(tmp_path) as system:
        assert system.ready["participants"][0]["state"] == "ready"


async def test_a_second_signal_kills_what_does_not_drain(tmp_path: Path) -> None:
    write_services(
        tmp_path,
        deaf="""
from busagents import agent
import asyncio, signal

@agent("deaf")
async def deaf(task):
    return task.text

asyncio.BaseEventLoop.add_signal_handler = lambda *_: None
asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler = lambda *_: None
signal.signal(signal.SIGTERM, signal.SIG_IGN)
""",
    )
    async with running(tmp_path, "--shutdown-timeout", "600") as system:
        pids = await system.processes()
        system.process.send_signal(signal.SIGTERM)
        await system.until("deaf", lambda row: row["state"] == "stopping")
        system.process.send_signal(signal.SIGTERM)
        assert await system.ended() == 130
        await gone(pids)


async def test_a_second_up_on_the_same_data_folder_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path) as system:
        code, _, err = await busagents("up", cwd=tmp_path)
        assert code == 2
        assert f"pid {system.process.pid}" in err
        assert "busagents down" in err


async def test_a_port_that_was_asked_for_and_is_taken_is_a_usage_error_that_names_the_flag(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = await busagents("up", "--nats-port", str(port), cwd=tmp_path)
    assert code == 2
    assert f"--nats-port {port}" in err


async def test_a_broken_file_is_reported_and_the_others_run(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO, broken="raise ValueError('boom')")
    async with running(tmp_path) as system:
        assert [row["name"] for row in system.ready["participants"]] == ["echo"]
        assert "boom" in system.ready["problems"][0]["message"]


async def test_what_cannot_start_is_not_restarted_and_the_others_run(tmp_path: Path) -> None:
    keyless = "from busagents import Agent\nlost = Agent('lost', model='nowhere:x')\n"
    write_services(tmp_path, echo=ECHO, keyless=keyless)
    async with running(tmp_path) as system:
        rows = {row["name"]: row for row in system.ready["participants"]}
        assert (rows["echo"]["state"], rows["lost"]["state"]) == ("ready", "failed")
        assert "nowhere" in rows["lost"]["failure"]
        row = await system.row("lost")
        assert (row["state"], row["restarts"], row["pid"]) == ("failed", 0, None)


async def test_no_services_at_all_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    code, _, err = await busagents("up", cwd=tmp_path)
    assert code == 2
    assert "busagents init" in err
    (tmp_path / "services").mkdir()
    code, _, err = await busagents("up", "--nats-port", "0", cwd=tmp_path)
    assert code == 2
    assert "no participants in services" in err


async def test_scale_makes_replicas_and_only_leaves_the_others_out(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO, other=ECHO.replace("echo", "other"))
    async with running(tmp_path, "--scale", "echo=3", "--only", "echo") as system:
        rows = [(row["name"], row["replica"], row["state"]) for row in await system.ps()]
        assert rows[1:] == [("echo", number, "ready") for number in range(3)]
        assert len({row["pid"] for row in await system.ps()}) == 4


async def test_scale_and_only_refuse_names_that_are_not_there(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    for flags in (("--only", "ecco"), ("--scale", "ecco=2")):
        code, _, err = await busagents("up", "--nats-port", "0", *flags, cwd=tmp_path)
        assert code == 2
        assert "'ecco'" in err
        assert "echo" in err


async def test_a_crash_loop_is_given_up_with_its_last_lines_and_ends_up_when_nothing_is_left(tmp_path: Path) -> None:
    service = ECHO + "import asyncio, os\n"
    service += "os.environ.get('HOME') and print('last words')\n"
    service += "import threading\nthreading.Timer(0.3, os._exit, (3,)).start()\n"
    write_services(tmp_path, echo=service)
    async with running(tmp_path) as system:
        assert await system.ended() == 10
        assert "five times within a minute" in system.said
        assert "last words" in system.said.rpartition("Its last lines:")[2]


async def test_one_crash_loop_does_not_stop_the_others(tmp_path: Path) -> None:
    dies = ECHO.replace("echo", "dies") + "import os, threading\nthreading.Timer(0.3, os._exit, (3,)).start()\n"
    write_services(tmp_path, echo=ECHO, dies=dies)
    async with running(tmp_path) as system:
        before = await system.row("echo")
        row = await system.until("dies", lambda row: row["state"] == "crash-loop")
        assert "exit status 3" in row["failure"]
        assert await system.row("echo") == before


async def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path) as system:
        pid = (await system.row("echo"))["pid"]
        os.kill(pid, signal.SIGKILL)
        row = await system.until("echo", lambda row: row["state"] == "ready" and row["pid"] != pid)
        assert row["restarts"] == 1


async def test_a_killed_bus_is_started_again_on_its_store_and_port(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path) as system:
        pid = (await system.row("nats-server"))["pid"]
        os.kill(pid, signal.SIGKILL)
        row = await system.until("nats-server", lambda row: row["pid"] not in (pid, None))
        assert row["restarts"] == 1
        with socket.create_connection(("127.0.0.1", int(system.ready["nats_url"].rpartition(":")[2]))):
            pass


async def test_reload_restarts_only_what_changed(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO, other=ECHO.replace("echo", "other"))
    async with running(tmp_path, "--reload") as system:
        before = {row["name"]: row["pid"] for row in await system.ps()}
        write_services(tmp_path, echo=ECHO + "\nprint('edited')\n")
        await system.until_said("reloaded")
        after = {row["name"]: row["pid"] for row in await system.ps()}
        assert after["echo"] != before["echo"]
        assert after["other"] == before["other"]
        assert after["nats-server"] == before["nats-server"]


async def test_reload_keeps_running_what_ran_when_the_new_file_is_broken(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO, other=ECHO.replace("echo", "other"))
    async with running(tmp_path, "--reload") as system:
        before = await system.ps()
        write_services(tmp_path, echo="def broken(:\n")
        await system.until_said("cannot be imported")
        assert await system.ps() == before


async def test_detached_returns_when_ready_and_down_ends_it(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    code, out, err = await busagents("up", "-d", "--json", "--nats-port", "0", "--durability", "process", cwd=tmp_path)
    assert code == 0, err
    pid = json.loads(out)["pid"]
    try:
        assert alive(pid)
        assert (await busagents("down", cwd=tmp_path))[0] == 0
        await gone([pid])
    finally:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


async def test_detached_fails_with_the_error_and_exit_code_of_the_start(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    code, _, err = await busagents("up", "-d", "--nats-port", "0", cwd=tmp_path)
    assert code == 2
    assert "no participants in services" in err


async def test_quiet_keeps_what_participants_print_in_their_logs_only(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO + "print('a word')\n")
    async with running(tmp_path, "--quiet") as system:
        assert "a word" not in system.said
    assert (tmp_path / ".busagents" / "logs" / "echo.log").read_text() == "a word\n"


async def test_an_ephemeral_log_is_gone_after_the_run(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path, "--ephemeral") as system:
        assert (tmp_path / ".busagents" / "ephemeral" / "jetstream").is_dir()
        system.process.send_signal(signal.SIGTERM)
        assert await system.ended() == 0
    assert not (tmp_path / ".busagents" / "ephemeral").exists()
    assert not (tmp_path / ".busagents" / "jetstream").exists()


async def test_a_log_that_disappeared_is_reported_and_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path) as system:
        system.process.send_signal(signal.SIGTERM)
        await system.ended()
    await asyncio.to_thread(_remove_tree, tmp_path / ".busagents" / "jetstream")
    code, _, err = await busagents("up", "--nats-port", "0", cwd=tmp_path)
    assert code == 9
    assert "identity.json" in err


async def test_run_files_are_for_the_owner_only_and_no_command_line_carries_the_password(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path) as system:
        run = tmp_path / ".busagents" / "run.json"
        password = json.loads(run.read_text())["nats_password"]
        assert run.stat().st_mode & 0o077 == 0
        assert (tmp_path / ".busagents" / "control.sock").stat().st_mode & 0o077 == 0
        for pid in await system.processes():
            assert password not in Path(f"/proc/{pid}/cmdline").read_text()
        assert password not in system.said


async def test_an_idle_participant_takes_at_most_60_megabytes(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path) as system:
        pid = (await system.row("echo"))["pid"]
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        pss = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        assert pss <= 60 * 1024


async def test_participants_run_on_a_server_that_somebody_else_runs(tmp_path: Path, bus_url: str) -> None:
    write_services(tmp_path, echo_external=ECHO.replace('"echo"', '"echo_external"'))
    async with running(tmp_path, "--nats", bus_url) as system:
        assert [row["name"] for row in await system.ps()] == ["echo_external"]
        assert system.ready["durability"] == "external"


def _remove_tree(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)
