"""What `make demo` submits."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DRAW = Path(__file__).with_name("draw.py")


@dataclass(frozen=True, slots=True)
class Demo:
    """Jobs of one submission, and what there is to see in them."""

    what: str
    jobs: list[dict[str, Any]] = field(default_factory=list)


def drawing(name: str, picture: str, folder: Path, frames: str, **more: Any) -> dict[str, Any]:
    """A job that draws a picture's frames into a folder of its own."""
    words = [sys.executable, str(DRAW), picture, "QB_FRAME_NUMBER", str(folder / picture)]
    package = {"range": frames, "cmdline": shlex.join(words)}
    return {"name": name, "prototype": "cmdrange", "cpus": 2, "prod_show": "demo", "package": package, **more}


def contact_sheet(folder: Path) -> dict[str, Any]:
    """A job without frames that waits for the one labelled `frames`."""
    cmdline = shlex.join([sys.executable, str(DRAW), "sheet", "-", str(folder / "aurora")])
    return {
        "name": "aurora, contact sheet", "label": "sheet", "priority": 100, "prototype": "cmdline", "prod_show": "demo",
        "dependency": "link-complete-job-frames", "package": {"cmdline": cmdline},
    }  # fmt: skip


def demos(folder: Path) -> list[Demo]:
    """All of it; pictures go into *folder*."""
    clouds = folder / "harbour" / "clouds.json"
    return [
        Demo(
            "24 frames, and a contact sheet that waits for them",
            [
                drawing("aurora, shot 010", "aurora", folder, "1-24", label="frames", priority=100),
                contact_sheet(folder),
            ],
        ),
        Demo(
            f"frames 13-15 fail: a file is missing. echo '[0.8, 0.9, 1.1]' > {clouds}, then Retry failed",
            [drawing("harbour at night", "harbour", folder, "1-20", priority=200)],
        ),
        Demo(
            "frames 7 and 8 fail: their log says what is wrong with them",
            [drawing("exposure ladder", "exposure", folder, "1-8", priority=200)],
        ),
        Demo(
            "held: it starts when somebody unblocks it",
            [drawing("aurora, wide version", "aurora", folder / "wide", "1-12", status="blocked", priority=300)],
        ),
        Demo(
            "480 frames, one after the other: long enough to suspend, reprioritise or kill",
            [drawing("julia, the long one", "julia", folder, "1-480", cpus=1, priority=500)],
        ),
    ]
