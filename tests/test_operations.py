"""docs/operations.md says what is so: every setting with its default, every metric, units that systemd takes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from farm import metrics

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs/operations.md").read_text()
SETTINGS = (ROOT / "farm/settings.py").read_text()
READ = re.compile(r'\benv(?:\.\w+)?\(\s*"([A-Z_]+)"(?:, default=("[^"]*"|[\w.\[\]]+))?')
UNITS = sorted((ROOT / "docs/systemd").glob("*.service"))


def documented() -> dict[str, str]:
    """Each setting of the table and the default that it names."""
    table = TEXT.partition("## Settings")[2]
    return dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]*) \|", table, re.MULTILINE))


def read() -> dict[str, str]:
    """Each variable that farm/settings.py reads and its default there; "" is none."""
    return {name: default.strip('"').replace("_", "") for name, default in reversed(READ.findall(SETTINGS))}


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    elsewhere = {"FARM_ADMIN_PASSWORD", "FARM_JOBTYPES"}  # read by the embedded farm and by the worker
    assert set(documented()) == set(read()) | elsewhere


@pytest.mark.parametrize("name", sorted(name for name, default in read().items() if default not in ("", "[]")))
def test_the_table_names_the_default(name: str) -> None:
    words = {"False": "0", "True": "1"}
    default = read()[name]
    shown = documented()[name].strip().strip("`")
    expected = words.get(default, default)
    assert shown == expected or (shown.isdecimal() and float(shown) == float(expected))


def test_every_metric_is_in_the_table_and_nothing_else() -> None:
    told = set(re.findall(r"`(farm_[a-z_]+)(?:\{[a-z]+\})?`", TEXT.partition("## Metrics")[2].partition("## When")[0]))
    counters = {f"farm_{name}_total" for name, *_ in metrics.COUNTERS} | {"farm_log_bytes_total"}
    families = {f"farm_{name}" for name, *_ in (*metrics.GAUGES, *metrics.LABELLED)}
    assert told == counters | families | {"farm_celery_queue", "farm_request_seconds"}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_units(path: Path, tmp_path: Path) -> None:
    """With the programs of a folder that is there in place of /srv/qbfarm."""
    program = shutil.which("systemd-analyze")
    if not program:
        pytest.skip("systemd-analyze is not installed: the units are not checked")
    python = tmp_path / "srv/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    unit = tmp_path / path.name
    unit.write_text(path.read_text().replace("/srv/qbfarm", str(tmp_path / "srv")))
    run = subprocess.run(
        [program, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    ours = [line for line in run.stderr.splitlines() if path.name in line]
    assert (run.returncode, ours) == (0, [])


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_start_what_there_is(path: Path) -> None:
    [command] = re.findall(r"^ExecStart=/srv/qbfarm/.venv/bin/python (.*)$", path.read_text(), re.MULTILINE)
    known = (
        "-m uvicorn farm.asgi:application ",
        "-m celery -A farm worker -Q bulk,quick ",
        "manage.py housekeeping",
        "-m qbcore.worker ",
    )
    assert command.startswith(known)


def test_the_proxy_hands_on_websockets_and_large_requests() -> None:
    proxy = (ROOT / "docs/nginx.conf").read_text()
    for needed in (
        "proxy_set_header Upgrade",
        "proxy_set_header X-Forwarded-For $remote_addr",
        "client_max_body_size 64m",
    ):
        assert needed in proxy
    assert "DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024" in SETTINGS
