"""Where nothing may be skipped (CI=true), a test that skips fails, unless its reason is one of those below."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

MAY_SKIP = (
    "needs PostgreSQL",  # in the ring on SQLite: the next ring runs it
    "only root can",  # starting processes of other accounts: no program is missing, and CI need not be root
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return judged((yield))


def judged(report: Any) -> Any:
    """A skip as a failure, where it is one."""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if not reason.startswith(MAY_SKIP):
            report.outcome, report.longrepr = "failed", f"CI=true, nothing may be skipped: {reason}"
    return report
