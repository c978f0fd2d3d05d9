"""With CI=true a test that cannot run for want of a program fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import MAY_SKIP

ROOT = Path(__file__).resolve().parent.parent
ALONE = ("-p", "no:cacheprovider", "-c", "/dev/null")
SKIPS = """
import pytest
def test_skips():
    pytest.skip({reason!r})
@pytest.mark.skipif(True, reason={reason!r})
def test_is_skipped():
    pass
@pytest.mark.xfail(reason="it is known")
def test_fails():
    raise AssertionError
"""


def outcomes(folder: Path, text: str, **env: str) -> str:
    """pytest's last line about these tests."""
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.skips", *ALONE, str(folder)]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **env}
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=given)
    return run.stdout.splitlines()[-1].partition(" in ")[0]


def test_without_a_program_tests_are_skipped_where_people_work(tmp_path: Path) -> None:
    assert outcomes(tmp_path, SKIPS.format(reason="oiiotool is not installed")) == "2 skipped, 1 xfailed"


def test_without_a_program_tests_fail_in_continuous_integration(tmp_path: Path) -> None:
    told = outcomes(tmp_path, SKIPS.format(reason="oiiotool is not installed"), CI="true")
    assert told == "1 failed, 1 xfailed, 1 error"


def test_a_file_whose_tests_are_skipped_fails_too(tmp_path: Path) -> None:
    text = "import pytest\npytest.skip('there is no zsh', allow_module_level=True)\n"
    assert outcomes(tmp_path, text, CI="true") == "1 error"


@pytest.mark.parametrize("reason", MAY_SKIP)
def test_what_no_program_could_change_may_be_skipped(tmp_path: Path, reason: str) -> None:
    assert outcomes(tmp_path, SKIPS.format(reason=reason), CI="true") == "2 skipped, 1 xfailed"
