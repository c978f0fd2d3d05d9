"""What the frames of a round do, and what they write down of it themselves: nobody else's word is taken for it.

Each process appends lines to one file: `start JOB FRAME ATTEMPT`, and at its end `end JOB FRAME ATTEMPT CODE`. What it
writes to its two streams it also appends to files of its own, first there.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = r"""#!/bin/sh
# frame.sh FOLDER KIND FRAME: what a frame of a round does.
folder=$1 kind=$2 frame=$3
attempt=${QB_TOKEN#qba_}
attempt=${attempt%%.*}
tell() { printf '%s %s %s %s%s\n' "$1" "$QBJOBID" "$frame" "$attempt" "$2" >>"$folder/ledger"; }
say() {
    printf '%s\n' "$1 out" >>"$folder/$attempt.out"
    printf '%s\n' "$1 out"
    printf '%s\n' "$1 err" >>"$folder/$attempt.err"
    printf '%s\n' "$1 err" >&2
}
tell start
say "frame $frame attempt $attempt"
case $kind in
slow) for part in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; say "frame $frame part $part"; done ;;
once) if ! test -e "$folder/failed.$QBJOBID.$frame"; then
    : >"$folder/failed.$QBJOBID.$frame"
    say "frame $frame fails this once"
    tell end ' 3'
    exit 3
fi ;;
esac
tell end ' 0'
"""


@dataclass
class Deed:
    """What one attempt did: `code` is None when it did not come to its end."""

    job: int
    frame: str
    attempt: int
    code: int | None = None


@dataclass
class Deeds:
    """All that happened, by attempt and by (job, frame)."""

    by_attempt: dict[int, Deed] = field(default_factory=dict)
    by_frame: dict[tuple[int, str], list[Deed]] = field(default_factory=lambda: defaultdict(list))
    twice: list[int] = field(default_factory=list)


class Ledger:
    """A folder of one farm's rounds, with the script that its frames run."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._script = folder / "frame.sh"
        self._script.write_text(SCRIPT)
        self._script.chmod(0o755)

    def command(self, kind: str, frame: str = "QB_FRAME_NUMBER") -> str:
        """The command line of a job whose frames are fast, slow, or fail once."""
        return shlex.join(["/bin/sh", str(self._script), str(self.folder), kind]) + f" {frame}"

    def read(self) -> Deeds:
        found = Deeds()
        file = self.folder / "ledger"
        for line in file.read_text().splitlines() if file.exists() else ():
            word, job, frame, attempt, *code = line.split()
            deed = Deed(int(job), frame, int(attempt))
            if word == "end":
                found.by_attempt[deed.attempt].code = int(code[0])
            elif deed.attempt in found.by_attempt:
                found.twice.append(deed.attempt)
            else:
                found.by_attempt[deed.attempt] = deed
                found.by_frame[deed.job, frame].append(deed)
        return found

    def written(self, attempt: int, stream: str) -> bytes:
        """What the attempt's process wrote to the stream, by its own account."""
        file = self.folder / f"{attempt}.{stream}"
        return file.read_bytes() if file.exists() else b""
