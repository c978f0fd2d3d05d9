"""What a beat of a worker says. What cannot be read of it is left out: it is a sign of life all the same."""

from __future__ import annotations

import logging

import orjson

from qbcore import hostfacts, progress
from qbcore.errors import Invalid

log = logging.getLogger(__name__)
Load = tuple[float, float]
LONGEST = 1000


def load(text: str) -> Load | None:
    """How busy the host is, where its worker tells it: processors 0 to 1, memory in MB."""
    if not text or "load" not in text or len(text) > LONGEST:
        return None
    try:
        said = orjson.loads(text)
        return hostfacts.load(said["load"]) if isinstance(said, dict) else None
    except (orjson.JSONDecodeError, KeyError, Invalid):
        return None


def progress_in(text: str) -> progress.Told:
    """How far its frames are."""
    if "progress" not in text:
        return {}
    try:
        said = orjson.loads(text)
        return progress.read(said.get("progress") or {}) if isinstance(said, dict) else {}
    except (orjson.JSONDecodeError, Invalid) as wrong:
        log.warning("a worker's progress was left out: %s", wrong)
        return {}
