"""A nats-server with JetStream as a child process: healthy when started, dead when its parent is, restartable."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import signal
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from busagents.errors import PortBusy, ServerNotFound
from busagents.runtime.supervisor.nats_config import Credentials, config_text, disk_usage, find_nats_server, store_limit
from busagents.runtime.supervisor.prctl import die_with_parent
from busagents.settings import Durability

_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 10.0


class NatsServer:
    """One nats-server process on `data_dir` (its JetStream store is `data_dir/jetstream`).

        async with NatsServer(folder, durability="process") as server:
            connection = await nats.connect(server.url)

    `port` None lets the server choose; later starts of the same object use the port of the first. The server dies with
    the process that started it, however that one ends. Start it from the main thread.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        durability: Durability = "power",
        port: int | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.data_dir = Path(data_dir).absolute()
        self.durability: Durability = durability
        self.credentials = credentials
        self.max_file_store = 0  # bytes; set by start()
        self.monitor_url = ""
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where clients connect, without credentials."""
        if self._port is None:
            raise RuntimeError("the server has no port before start()")
        return f"nats://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def __aenter__(self) -> NatsServer:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and return when JetStream is healthy.

        Raises:
            ServerNotFound: no binary, no disk space, or the server ended with an error, which is quoted.
            PortBusy: the given port is taken.
        """
        binary = find_nats_server()
        config = self._write_config()
        for stale in self.data_dir.glob("*.ports"):
            stale.unlink(missing_ok=True)
        parent = os.getpid()
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(binary),
                "--config",
                str(config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C on the terminal must reach the supervisor only: the bus stops last
                preexec_fn=lambda: die_with_parent(parent),
            )
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                await self._healthy(self._process)
        except TimeoutError:
            await self.kill()
            raise ServerNotFound(f"nats-server was not healthy within {_START_TIMEOUT:g} s: see {self.log_path}") from None
        except BaseException:
            await self.kill()
            raise

    @property
    def log_path(self) -> Path:
        """The server's own log file."""
        return self.data_dir / "logs" / "nats-server.log"

    async def wait(self) -> int:
        """Wait until the process ends; its exit status (negative: the signal)."""
        return await self._process.wait() if self._process is not None else 0

    async def kill(self) -> None:
        """SIGKILL, as a crash would do it. The store stays."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Stop cleanly (SIGTERM; SIGKILL after 10 s). The store stays. Does nothing when it does not run."""
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await self._end(signal.SIGTERM)
        except TimeoutError:
            await self.kill()

    async def restart(self) -> None:
        """Stop if it still runs, then start on the same store and the same port."""
        await self.stop()
        await self.start()

    async def _end(self, sig: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(sig)
        await process.wait()

    def _write_config(self) -> Path:
        store = self.data_dir / "jetstream"
        store.mkdir(parents=True, exist_ok=True)
        self.log_path.parent.mkdir(exist_ok=True)
        free = shutil.disk_usage(self.data_dir).free
        self.max_file_store = store_limit(free, disk_usage(store), self.data_dir)
        text = config_text(
            name="busagents-" + hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:12],
            data_dir=self.data_dir,
            port=-1 if self._port is None else self._port,
            max_file_store=self.max_file_store,
            durability=self.durability,
            credentials=self.credentials,
        )
        path = self.data_dir / "nats-server.conf"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        return path

    async def _healthy(self, process: asyncio.subprocess.Process) -> None:
        ended = asyncio.ensure_future(process.wait())
        try:
            while not await self._probe(process.pid):
                done, _ = await asyncio.wait({ended}, timeout=0.01)
                if done:
                    raise self._start_failure(ended.result())
        finally:
            ended.cancel()

    async def _probe(self, pid: int) -> bool:
        """Read the ports the server chose and ask its health endpoint; False while either is not there yet."""
        try:
            ports = json.loads((self.data_dir / f"nats-server_{pid}.ports").read_bytes())
            monitor = urlsplit(ports["monitoring"][0])
            client = urlsplit(ports["nats"][0])
            reader, writer = await asyncio.open_connection("127.0.0.1", monitor.port)
        except (OSError, ValueError, LookupError):  # not written yet, half written, or not listening yet
            return False
        try:
            writer.write(b"GET /healthz?js-enabled-only=true HTTP/1.0\r\n\r\n")
            status = await reader.readline()
        except OSError:
            return False
        finally:
            writer.close()
        if b" 200 " not in status:
            return False
        self._port = client.port
        self.monitor_url = f"http://127.0.0.1:{monitor.port}"
        return True

    def _start_failure(self, status: int) -> Exception:
        lines = self.log_path.read_text(errors="replace").splitlines()[-20:]
        fatal = [line for line in lines if "[FTL]" in line or "nats-server:" in line] or lines[-3:]
        reason = " / ".join(line.split("] ", 1)[-1] for line in fatal[-2:]) or "no output"
        if "address already in use" in reason:
            return PortBusy(
                f"port {self._port} is taken by another process: end it, choose another with --nats-port,"
                f" or connect to it with --nats nats://127.0.0.1:{self._port}"
            )
        return ServerNotFound(f"nats-server ended with status {status}: {reason} (log: {self.log_path})")
