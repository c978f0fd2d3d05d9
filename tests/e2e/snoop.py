"""What a curious job finds out, as one line of JSON. Arguments: another job's id, and words read backwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import qb

TOKEN = re.compile(r"qb[a-z]_[A-Za-z0-9_.=-]{8,}")


def read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b"\n").decode(errors="replace")
    except OSError:
        return ""


def attempt(call: str, *args: object) -> str:
    """What a call of qb answers, or the refusal's sentence."""
    try:
        return json.dumps(getattr(qb, call)(*args))
    except qb.QubeError as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    everything = {str(path): read(path) for path in Path("/proc").glob("[0-9]*/environ")}
    everything |= {str(path): read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    everything["ps"] = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout
    everything["ps with environments"] = subprocess.run(
        ["ps", "axeww"], capture_output=True, text=True, check=False
    ).stdout
    words = [word[::-1] for word in sys.argv[2:]]  # so that this command line does not hold them
    found = {
        "environment": dict(os.environ),
        "tokens": sorted({token for text in everything.values() for token in TOKEN.findall(text)}),
        "words": {word: [where for where, text in everything.items() if word in text] for word in words},
        "seen": len([text for text in everything.values() if text]),
        "jobs": [job["id"] for job in qb.jobinfo()],
        "other": attempt("jobinfo", [], {}, int(sys.argv[1])),
        "kill other": attempt("kill", int(sys.argv[1])),
        "kill own": attempt("kill", int(os.environ["QBJOBID"])),
        "submit": attempt("submit", {"prototype": "cmdline", "package": {"cmdline": "true"}}),
        "log of other": attempt("stdout", int(sys.argv[1])),
    }
    sys.stdout.write(json.dumps(found) + "\n")


main()
