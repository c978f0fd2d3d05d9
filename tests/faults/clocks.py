"""A wall clock of its own for a process, to be set while it runs; its steady clock stays true (libfaketime)."""

from __future__ import annotations

from pathlib import Path

SHARED = Path("/dev/shm")
LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
"""Of Debian's package libfaketime; None where it is not installed."""

# libfaketime 0.9.10 takes what CPython's time.sleep hands to clock_nanosleep, a steady time, for one of the wall clock,
# and fails. select waits as long and is left alone.
SLEEP = "import select, time\ntime.sleep = lambda seconds: (select.select((), (), (), seconds), None)[1]\n"


class Clock:
    """What a process's wall clock shows beside the truth, kept in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._file = folder / "now"
        (folder / "sitecustomize.py").write_text(SLEEP)
        self.env = {
            "LD_PRELOAD": str(LIBRARY),
            "PYTHONPATH": str(folder),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.show(0)

    def show(self, ahead: int) -> None:
        """From now on the clock is so many seconds before the true time; behind it when negative."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead:+d}\n")
        new.replace(self._file)


def forget(pid: int) -> None:
    """Removes what the library shares between processes and leaves behind when they are killed."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        (SHARED / name).unlink(missing_ok=True)
