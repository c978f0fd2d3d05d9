"""The first five minutes: the embedded farm starts, the README's script runs, and ending it leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from qbcore.remote import credentials_path
from tests.e2e.farms import fetch
from tests.e2e.processes import SIGN_IN, EmbeddedFarm
from tests.e2e.programs import ROOT, gone, until
from tests.e2e.scripting import run_script

pytestmark = pytest.mark.e2e
Make = Callable[..., EmbeddedFarm]

README = (ROOT / "README.md").read_text()
SCRIPT = re.search(r"^## The first script$.*?^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
STOPS_WITHIN = 5.0
WITHOUT_DJANGO = "import importlib.util\nassert importlib.util.find_spec('django') is None\n"


def frames_of(text: str) -> list[int]:
    return sorted(int(number) for number in re.findall(r"^frame (\d+)$", text, re.MULTILINE))


def test_the_first_script_of_the_readme_gets_all_24_lines(calm: EmbeddedFarm) -> None:
    assert SCRIPT is not None, "README.md has a section 'The first script'"
    number = int(run_script(WITHOUT_DJANGO + SCRIPT[1], calm.folder, calm.env))
    over = calm.until(lambda: calm.api().over(number), "the job is over")
    assert over["status"] == "complete"
    read = f"import qb\nfor row in qb.stdout({number}): print(row['data'])"
    assert frames_of(run_script(WITHOUT_DJANGO + read, calm.folder, calm.env)) == list(range(1, 25))


def test_the_farm_keeps_its_data_and_credentials_from_others(calm: EmbeddedFarm) -> None:
    credentials = calm.folder / "config" / "qb" / "credentials"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (calm.data, credentials)}
    assert modes == {calm.data: 0o700, credentials: 0o600}
    assert credentials_path() != credentials, "a test reads no credentials of a farm by accident"


def test_the_farm_says_whether_it_is_well(calm: EmbeddedFarm) -> None:
    assert fetch(f"{calm.url}healthz")[0] == 200
    assert fetch(f"{calm.url}readyz")[0] == 200


def test_the_printed_link_signs_in_once(calm: EmbeddedFarm) -> None:
    link = calm.link()
    assert fetch(link)[0] == 200
    assert fetch(link)[0] == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
@pytest.mark.parametrize("deaf", [False, True], ids=["heard", "inherited as ignored"])
def test_a_signal_ends_everything_within_five_seconds(make_farm: Make, number: int, deaf: bool) -> None:
    farm = make_farm()
    farm.start(deaf=deaf)
    job = farm.api().submit({"prototype": "cmdrange", "package": {"range": "1-2", "cmdline": "sleep 600"}})[0]
    farm.until(lambda: "sleep 600" in " ".join(farm.left().values()), f"a frame of job {job['id']} runs")
    assert farm.end(number) < STOPS_WITHIN
    assert farm.main.code == 0
    assert farm.left() == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_signal_is_heard_while_the_farm_is_still_starting(make_farm: Make, number: int) -> None:
    farm = make_farm()
    farm.main.start(deaf=True)
    farm.until(farm.data.exists, "the settings are read")
    assert farm.end(number) < STOPS_WITHIN
    assert "Traceback" not in farm.main.output()
    assert farm.left() == {}


def test_a_start_goes_on_where_the_last_one_stopped(farm: EmbeddedFarm) -> None:
    """Frames that ran at the stop are done again, those that were done are not."""
    marks = farm.folder / "marks"
    command = f"echo QB_FRAME_NUMBER >> {marks}; test -e {farm.folder}/go || test QB_FRAME_NUMBER -le 4 || sleep 600"
    job = farm.api().submit({"prototype": "cmdrange", "package": {"range": "1-8", "cmdline": command}, "cpus": 2})[0]
    farm.until(lambda: list(farm.api().frames(job["id"]).values()).count("complete") == 4, "half of the job is done")
    farm.end(signal.SIGTERM)
    (farm.folder / "go").touch()
    farm.start()
    over = farm.until(lambda: farm.api().over(job["id"]), "the job is over")
    assert over["status"] == "complete"
    rendered = [int(line) for line in marks.read_text().split()]
    assert sorted(set(rendered)) == list(range(1, 9))
    assert sorted(number for number in rendered if number <= 4) == [1, 2, 3, 4]


def refusal(farm: EmbeddedFarm) -> str:
    """What a farm says that cannot start."""
    farm.main.start()
    assert farm.main.wait() == 2
    return farm.main.output()


def test_a_taken_port_is_one_sentence(make_farm: Make) -> None:
    farm = make_farm()
    with socket.create_server(("127.0.0.1", farm.port)):
        said = refusal(farm)
    assert said == (
        f"The farm cannot start: port {farm.port} of 127.0.0.1 is taken: stop what listens there (another farm?) "
        "or set FARM_PORT.\n"
    )


@pytest.mark.parametrize("obstacle", ["a file", "a folder that cannot be made"])
def test_a_folder_that_cannot_be_used_is_one_sentence(make_farm: Make, obstacle: str) -> None:
    farm = make_farm()
    if obstacle == "a file":
        farm.data.write_text("in the way")
    else:
        farm.main.env["FARM_DATA"] = "/proc/farm"
    said = refusal(farm)
    assert said.startswith("The farm cannot start: ")
    assert said.count("\n") == 1
    assert "FARM_DATA" in said and farm.main.env["FARM_DATA"] in said


def test_a_site_that_breaks_down_ends_the_farm_with_its_reason(make_farm: Make, tmp_path: Path) -> None:
    (tmp_path / "websockets.py").write_text("raise RuntimeError('this package is broken')")
    farm = make_farm()
    farm.main.env["PYTHONPATH"] = str(tmp_path)
    farm.main.start()
    assert farm.main.wait() == 1
    assert "the site has ended by itself" in farm.main.output() and "this package is broken" in farm.main.output()
    assert farm.left() == {}


@pytest.mark.browser
def test_with_a_password_admin_signs_in_by_form_and_no_link_is_printed(make_farm: Make, browser: Browser) -> None:
    farm = make_farm(FARM_ADMIN_PASSWORD="correct horse battery")
    farm.start()
    assert SIGN_IN not in farm.main.output()
    page = browser.new_page()
    page.goto(farm.url)
    page.get_by_label("User").fill("admin")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{farm.url}jobs")
    page.close()


def test_a_worker_ends_by_itself_when_the_farm_is_killed(farm: EmbeddedFarm) -> None:
    job = farm.api().submit({"prototype": "cmdline", "package": {"cmdline": "sleep 600"}})[0]
    farm.until(lambda: farm.api().job(job["id"])["status"] == "running", "the job runs")
    worker = farm.worker()
    farm.main.kill()
    farm.until(lambda: gone(worker), "the worker has ended by itself")
    farm.until(lambda: not farm.left(), "the frame has ended too")
    farm.start()
    farm.until(lambda: farm.api().job(job["id"])["status"] == "running", "the job runs again")


def test_a_killed_worker_is_started_again_and_its_frame_rendered_again(farm: EmbeddedFarm) -> None:
    api = farm.api()
    marks = farm.folder / "marks"
    command = f"echo x >> {marks}; test $(wc -l < {marks}) -ge 2 || sleep 600"
    job = api.submit({"prototype": "cmdrange", "package": {"range": "7", "cmdline": command}})[0]
    until(lambda: api.frames(job["id"]) == {"7": "running"} and marks.exists(), "the frame runs")
    first = farm.worker()
    os.kill(first, signal.SIGKILL)
    farm.until(lambda: farm.worker() not in (0, first), "another worker is there", seconds=6)
    over = farm.until(lambda: api.over(job["id"]), "the job is over")
    assert over["status"] == "complete"
    endings = [row[0] for row in farm.rows("SELECT ending FROM attempt ORDER BY id")]
    assert endings == ["lost", "complete"]
    assert marks.read_text() == "x\nx\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project as a clone has it, its environment already installed (tests/test_setup.py is about installing)."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "clone" / name)
    venv = tmp_path / "clone" / ".venv"
    venv.mkdir()
    for name in ("bin", "lib"):
        (venv / name).symlink_to(Path(sys.prefix) / name)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", venv)
    shutil.copy(ROOT / "requirements.lock", venv / "installed-run.lock")
    return tmp_path / "clone"


def test_make_run_in_a_clone_starts_the_farm_and_ctrl_c_ends_it(make_farm: Make, clone: Path) -> None:
    farm = make_farm()
    del farm.main.env["FARM_DATA"]
    farm.main.command, farm.main.cwd = ["make", "run"], clone
    farm.start()
    run_script(WITHOUT_DJANGO + (SCRIPT[1] if SCRIPT else ""), farm.folder, {**farm.env, "PYTHONPATH": str(clone)})
    farm.until(lambda: farm.api().over(1), "the script's job is over")
    assert stat.S_IMODE((clone / "var").stat().st_mode) == 0o700
    began = time.monotonic()
    farm.main.interrupt()
    farm.main.wait()
    assert time.monotonic() - began < STOPS_WITHIN
    farm.until(lambda: not farm.left(), "nothing is left", seconds=STOPS_WITHIN)
