"""The animation that the whole-farm tests render: 48 frames of `scene/orrery.pov`, five of which need `comet.inc`."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

SCENE = Path(__file__).parent / "scene"
FRAMES = 48
PASSING = [20, 21, 22, 23, 24]  # frames on which the comet is seen
SIZE = (160, 120)


class Animation:
    """A folder with the scene, first without the comet; frames are rendered into it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        shutil.copy(SCENE / "orrery.pov", folder)

    def bring_comet(self) -> None:
        shutil.copy(SCENE / "comet.inc", self.folder)

    def job(self, **more: Any) -> dict[str, Any]:
        command = (
            f"povray +Iorrery.pov +Oorrery.png +W{SIZE[0]} +H{SIZE[1]} +A0.3 +WT1 -D "
            f"+KI0 +KF1 +KFI1 +KFF{FRAMES} +KC +SFQB_FRAME_NUMBER +EFQB_FRAME_NUMBER"
        )
        package = {"range": f"1-{FRAMES}", "cmdline": command}
        return {
            "name": "orrery",
            "prototype": "cmdrange",
            "cpus": 8,
            "cwd": str(self.folder),
            "package": package,
            **more,
        }

    def pictures(self) -> dict[int, Path]:
        """The rendered frames by number."""
        return {int(path.stem.removeprefix("orrery")): path for path in self.folder.glob("orrery[0-9]*.png")}

    def check(self) -> None:
        """All frames are there, whole, in the right size, and no two are the same."""
        found = self.pictures()
        assert sorted(found) == list(range(1, FRAMES + 1))
        for path in found.values():
            with Image.open(path) as picture:
                picture.load()
                assert picture.size == SIZE
        assert len({hashlib.sha256(path.read_bytes()).digest() for path in found.values()}) == FRAMES
