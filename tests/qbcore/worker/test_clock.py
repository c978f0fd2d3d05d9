"""A worker's wall clock may be wrong or jump: nothing that it decides depends on it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from qbcore import worker

TELLS = {"filefacts"}  # tells when a file was changed, as the disk says; nothing is decided by it
FILES = sorted(file for file in Path(worker.__file__).parent.glob("*.py") if file.stem not in TELLS)
WALL = {"time", "time_ns", "localtime", "gmtime", "now", "utcnow", "today", "CLOCK_REALTIME", "st_mtime", "st_atime"}


def named(tree: ast.AST) -> set[str]:
    """What is read of modules and objects: time.time, datetime.now and so on, and what is imported by itself."""
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return found | {alias.name for node in froms if node.module in ("time", "datetime") for alias in node.names}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_worker_never_asks_the_wall_clock(file: Path) -> None:
    assert not named(ast.parse(file.read_text())) & WALL


def test_it_would_be_seen() -> None:
    assert named(ast.parse("import time\nprint(time.time())")) & WALL
    assert named(ast.parse("from time import time")) & WALL
