"""A network between a worker and the web processes that can be cut, slowed down, and made to lose or repeat things."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BROKEN = (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
LONGEST_DELAY = 1.5  # seconds
LONGEST_ECHO = 3.0
LIMIT = 16 * 1024 * 1024


@dataclass
class Weather:
    """How the network is now. Chances are 0 to 1, for each request.

    `cut`: nothing passes. `slow`: requests and answers wait. `lossy`: the answer to a request that was delivered is
    lost, so it comes again. `echo`: a request is delivered a second time later, when others have passed it.
    """

    cut: bool = False
    slow: float = 0.0
    lossy: float = 0.0
    echo: float = 0.0


class Proxy:
    """One worker's way to the farm. Each of its connections goes to one of the web processes.

    `weather` may be set from any thread.
    """

    def __init__(self, ports: Sequence[int], rng: random.Random) -> None:
        self.weather = Weather()
        self.passed = 0
        self._ports = ports
        self._rng = rng
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LIMIT))
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def cut(self) -> None:
        """Ends every connection; new ones are refused until the weather is fine again."""
        self.weather = Weather(cut=True)
        self._loop.call_soon_threadsafe(self._drop)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        self._drop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _drop(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the worker."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            with suppress(*BROKEN, asyncio.CancelledError):
                await self._converse((reader, writer))
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _converse(self, worker: Streams) -> None:
        if self.weather.cut:
            return
        web = await asyncio.open_connection("127.0.0.1", self._rng.choice(self._ports), limit=LIMIT)
        self._open.add(web[1])
        try:
            while await self._pass(worker, web):
                pass
        finally:
            self._open.discard(web[1])
            web[1].transport.abort()

    async def _pass(self, worker: Streams, web: Streams) -> bool:
        """One request and its answer; False when the connection is over."""
        request = await _message(worker[0])
        if b"\r\nupgrade: websocket" in request.lower():
            web[1].write(request)
            await asyncio.gather(_copy(worker[0], web[1]), _copy(web[0], worker[1]))
            return False
        weather = self.weather
        await self._wait(weather)
        self._echo(weather, request)
        answer = await _ask(web, request)
        await self._wait(weather)
        if self._rng.random() < weather.lossy:
            return False
        worker[1].write(answer)
        await worker[1].drain()
        self.passed += 1
        return True

    async def _wait(self, weather: Weather) -> None:
        if self._rng.random() < weather.slow:
            await asyncio.sleep(self._rng.uniform(0, LONGEST_DELAY))

    def _echo(self, weather: Weather, request: bytes) -> None:
        if self._rng.random() < weather.echo:
            self._later(self._repeat(request, self._rng.uniform(0, LONGEST_ECHO)))

    def _later(self, what: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _repeat(self, request: bytes, seconds: float) -> None:
        """The same request over a connection of its own; nobody hears the answer."""
        await asyncio.sleep(seconds)
        with suppress(*BROKEN):
            web = await asyncio.open_connection("127.0.0.1", self._rng.choice(self._ports), limit=LIMIT)
            try:
                await _ask(web, request)
            finally:
                web[1].transport.abort()


async def _ask(web: Streams, request: bytes) -> bytes:
    web[1].write(request)
    await web[1].drain()
    return await _message(web[0])


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer with its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    return head + await reader.readexactly(length)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.transport.abort()
