"""What seeded attempts printed."""

from __future__ import annotations

from datetime import datetime, timedelta

from qbcore import logs
from qbcore.seeding.jobs import Failure

OPENING = (
    "host {host}, 32 cores",
    "loading scene for frame {frame}",
    "scene: 18,402 nodes, 214 textures, 3 volumes",
    "building BVH: 41,209,884 primitives",
    "rendering frame {frame}",
    *(f"{percent:4d}% done" for percent in range(5, 30, 5)),
)
REST = (*(f"{percent:4d}% done" for percent in range(30, 101, 10)), "wrote frame {frame}")


class LogFile:
    """The standard output of one grant: attempts one after the other. Nothing is written before `write`."""

    def __init__(self, job: int, subjob: int, grant: int) -> None:
        self._of = (job, subjob, grant)
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, frame: int, started: datetime, seconds: float, host: str, why: Failure | None) -> tuple[int, int]:
        """Adds what an attempt printed; answers its byte range."""
        lines = [*OPENING, *(why.before if why else ()), *([why.line] if why else REST), *(why.after if why else ())]
        step = timedelta(seconds=seconds / len(lines))
        text = "".join(
            f"{started + nth * step:%H:%M:%S} {line.replace('{frame}', str(frame)).replace('{host}', host)}\n"
            for nth, line in enumerate(lines)
        ).encode()
        start, self.size = self.size, self.size + len(text)
        self._parts.append(text)
        return start, self.size

    def write(self) -> None:
        if self._parts:
            path = logs.path(*self._of, "out")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(self._parts))
            self._parts = []
