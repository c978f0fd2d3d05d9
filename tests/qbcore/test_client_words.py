"""The client words alone: a studio copies them into a program that has neither Django nor any package of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Every import that is neither the standard library's nor ours is refused, whatever is installed around.
ALONE = """
import sys
from importlib.abc import MetaPathFinder

class OnlyOurs(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {"qbcore", *sys.stdlib_module_names}:
            raise ImportError(f"{name} is not of the standard library")

sys.meta_path.insert(0, OnlyOurs())
sys.path.append(ROOT)
from qbcore import archive, constants, errors, ids, objects, ranges, validators

job = objects.Job(name="shot", prototype="cmdrange", agenda=ranges.genchunks(2, "1-5"))
assert archive.loads(archive.dumps(job)) == job
assert validators.JobValidator.validate(job, agenda=True)
assert str(ids.parse_work("250:1-2")) == "250:1-2"
assert constants.flags_number("mail") == 1024
ours = {name for name in sys.modules if name.partition(".")[0] == "qbcore"}
assert ours <= {"qbcore", "qbcore.archive", "qbcore.archive.jobxml", *(f"qbcore.{name}" for name in WORDS)}, ours
"""
WORDS = ["constants", "errors", "ids", "objects", "ranges", "validators"]


def alone(code: str) -> subprocess.CompletedProcess[str]:
    named = f"ROOT = {str(ROOT)!r}\nWORDS = {WORDS!r}\n{code}"
    return subprocess.run([sys.executable, "-I", "-S", "-c", named], capture_output=True, text=True, check=False)


def test_the_client_words_work_with_the_standard_library_alone() -> None:
    run = alone(ALONE)
    assert run.returncode == 0, run.stderr


def test_the_guard_of_this_test_does_refuse_other_packages() -> None:
    run = alone(ALONE + "\nimport django\n")
    assert "django is not of the standard library" in run.stderr
