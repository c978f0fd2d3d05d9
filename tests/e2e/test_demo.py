"""`make demo` fills a farm with jobs that are worth looking at."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image

from tests.e2e.farms import environment
from tests.e2e.processes import EmbeddedFarm
from tests.e2e.programs import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def demo(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "demo"]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_without_a_farm_the_demo_says_how_to_start_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = demo(environment(tmp_path_factory.mktemp("alone")))
    assert run.returncode == 1 and run.stdout == ""
    assert run.stderr.startswith("There is no farm to give jobs to: ") and "make run" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_farm_that_was_stopped_is_missed_in_one_sentence(calm: EmbeddedFarm) -> None:
    nobody = calm.url.replace(str(calm.port), "9")
    run = demo({**calm.env, "QB_SUPERVISOR": nobody, "QB_TOKEN": "qbu_any"})
    assert run.returncode == 1 and run.stderr.startswith("There is no farm to give jobs to: ")


def test_the_demos_jobs_draw_pictures_wait_and_fail_for_reasons_that_are_told(calm: EmbeddedFarm) -> None:
    run = demo(calm.env)
    assert run.returncode == 0, run.stderr
    api = calm.api()
    jobs = {job["name"]: job["id"] for job in api.jobinfo()}
    assert all(f"{number}  {name}" in run.stdout for name, number in jobs.items()) and calm.url in run.stdout
    assert api.job(jobs["aurora, contact sheet"])["status"] == "blocked"
    ending = [number for name, number in jobs.items() if name not in ("aurora, wide version", "julia, the long one")]
    calm.until(lambda: all(map(api.over, ending)), "the jobs before the long one are over", 120)
    statuses = {job["name"]: job["status"] for job in api.jobinfo()}
    assert statuses["aurora, shot 010"] == statuses["aurora, contact sheet"] == "complete"
    assert statuses["harbour at night"] == statuses["exposure ladder"] == "failed"
    assert statuses["aurora, wide version"] == "blocked"
    assert api.job(jobs["julia, the long one"])["todo"] == 480
    check_reasons(calm, jobs)
    check_pictures(calm)
    mend(calm, jobs["harbour at night"])
    api.kill(jobs["julia, the long one"])


def check_reasons(farm: EmbeddedFarm, jobs: dict[str, int]) -> None:
    """The error line of each failed frame says what is wrong."""
    said = "SELECT frame, error_line FROM attempt WHERE job_id = {} AND ending = 'failed' ORDER BY pos"
    farm.until(lambda: not farm.rows("SELECT 1 FROM attempt WHERE ending = 'failed' AND error_line = ''"), "explained")
    missing = farm.rows(said.format(jobs["harbour at night"]))
    assert [frame for frame, _ in missing] == ["13", "14", "15"]
    assert all("FileNotFoundError" in line and "clouds.json" in line for _, line in missing)
    wrong = dict(farm.rows(said.format(jobs["exposure ladder"])))
    assert set(wrong) == {"7", "8"} and "exposure of -3 stops is below the sensor's -2" in wrong["7"]


def check_pictures(farm: EmbeddedFarm) -> None:
    folder = farm.data / "demo"
    drawn = {name: sorted(path.name for path in (folder / name).glob("frame.*.png")) for name in ("aurora", "harbour")}
    assert [len(found) for found in drawn.values()] == [24, 17]
    for path in (folder / "aurora" / "frame.0007.png", folder / "aurora" / "sheet.png"):
        with Image.open(path) as picture:
            picture.load()
            colours = picture.getcolors(2**24)
            assert colours is not None and len(colours) > 100


def mend(farm: EmbeddedFarm, job: int) -> None:
    """What the demo advises works."""
    (farm.data / "demo" / "harbour" / "clouds.json").write_text("[0.8, 0.9, 1.1]")
    assert farm.api().retrywork(f"{job}:13-15") == [f"{job}:{frame}" for frame in (13, 14, 15)]
    farm.until(lambda: (farm.api().over(job) or {}).get("status") == "complete", "the mended frames are drawn")
