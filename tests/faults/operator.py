"""Somebody inside the farm: a process of its own code that stays, because starting one for a question takes long."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.e2e.programs import ROOT
from tests.servers import dies_with_parent

INSIDE = """
import base64, json, sys
from django.db import connection
from qbcore import acting, logs, runs

def run(verb, jobs):
    with acting.acting_as(acting.Actor("admin", "admin")):
        return runs.start(verb, runs.Selection(jobs=tuple(jobs)), why="a test of faults")

def kept(attempts):
    found = {}
    for number in attempts:
        for stream in ("out", "err"):
            data, _ = logs.attempt_log(number, stream)
            found[f"{number}.{stream}"] = base64.b64encode(data).decode()
    return found

for line in sys.stdin:
    name, *given = json.loads(line)
    try:
        answer = {"result": {"run": run, "kept": kept}[name](*given)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    connection.close()
    print(json.dumps(answer), flush=True)
"""


class AwayError(Exception):
    """What was asked could not be done; the text says why."""


class Operator:
    """Answers one question at a time."""

    def __init__(self, env: Mapping[str, str]) -> None:
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", INSIDE]
        self._process = subprocess.Popen(
            dies_with_parent(command, by="KILL"), env=dict(env), cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, *question: Any) -> Any:
        """Raises AwayError when the farm could not do it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "it has ended"}')
        if "error" in answer:
            raise AwayError(answer["error"])
        return answer["result"]

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
