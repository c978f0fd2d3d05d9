"""A worker tells how far its frames are and which files they wrote, and sends thumbnails of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs

import pytest
from PIL import Image

from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.supervisor import Supervisor

STEPS = "printf 'ALF_PROGRESS 30%%\\n'; sleep 1.3; printf 'ALF_PROGRESS 60%%\\r'; exec sleep 600"


def test_how_far_a_frame_is_comes_with_the_beats(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit(STEPS, "1")
    supervisor.until(supervisor.running)
    [attempt] = map(str, supervisor.running())
    supervisor.until(lambda: {attempt: 60} in supervisor.progress)
    told = [one[attempt] for one in supervisor.progress if attempt in one]
    assert told == sorted(set(told)), "each figure once, never back"
    assert not [one for one in supervisor.requests if "progress" in one], "no request was needed for it"


def test_without_a_websocket_it_comes_with_the_requests(supervisor: Supervisor, host: Host) -> None:
    supervisor.websockets = False
    supervisor.submit(STEPS, "1")
    supervisor.until(lambda: any(60 in one.get("progress", {}).values() for one in supervisor.requests))


def test_a_jobs_own_pattern_tells_how_far_it_is(supervisor: Supervisor, host: Host) -> None:
    package = {"cmdline": "echo layer 3 of 4 ; exec sleep 600", "progress": r"layer (?P<done>\d+) of (?P<total>\d+)"}
    supervisor.submit("", "1", package=package)
    supervisor.until(lambda: any(75 in one.values() for one in supervisor.progress))


def test_files_that_a_job_names_are_told_with_the_report(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    package = {
        "cmdline": "printf 12345 > out.QB_FRAME_NUMBER.txt; echo \"Saved: '$PWD/other.png'\"; touch other.png",
        "outputPaths": ["out.QB_FRAME_NUMBER.txt", f"{tmp_path}/not.there"],
        "padding": 4,
    }
    supervisor.submit("", "7", package=package, cwd=str(tmp_path))
    supervisor.until(lambda: supervisor.reports)
    [report] = supervisor.reports
    first, missing, logged = report["result"]["outputs"]
    assert (first["path"], first["size"]) == (f"{tmp_path}/out.0007.txt", 5)
    assert first["modified"] == int((tmp_path / "out.0007.txt").stat().st_mtime)
    assert missing == {"path": f"{tmp_path}/not.there", "missing": True}
    assert logged["path"] == f"{tmp_path}/other.png"
    assert report["result"]["outputPaths"] == f"{tmp_path}/out.0007.txt,{tmp_path}/other.png"
    assert (report["reason"], report["exit"]) == ("exit", 0)
    assert report["message"] == f"missing output: {tmp_path}/not.there"


def test_a_chunk_names_a_file_for_each_of_its_frames(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    package = {"cmdline": "touch 1 2 3", "outputPaths": "QB_FRAME_NUMBER, QB_FRAME_END"}
    supervisor.submit("", "1-3", package=package, cwd=str(tmp_path))
    supervisor.until(lambda: supervisor.reports)
    assert supervisor.reports[0]["result"]["outputPaths"] == f"{tmp_path}/1,{tmp_path}/2,{tmp_path}/3"


def test_a_job_that_says_so_fails_when_a_file_is_missing(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    package = {"cmdline": "true", "outputPaths": f"{tmp_path}/none.exr", "validate_outputs": True}
    supervisor.submit("", "1", package=package)
    supervisor.until(lambda: supervisor.reports)
    [report] = supervisor.reports
    assert (report["reason"], report["exit"]) == ("outputs", 0)
    assert report["message"] == f"missing output: {tmp_path}/none.exr"


def test_frames_that_name_no_file_or_fail_are_looked_at_for_none(
    supervisor: Supervisor, host: Host, tmp_path: Path
) -> None:
    supervisor.submit("echo nothing", "1")
    supervisor.submit("", "1", package={"cmdline": "exit 3", "outputPaths": f"{tmp_path}/a", "validate_outputs": True})
    supervisor.until(lambda: len(supervisor.reports) == 2)
    assert [report["result"] for report in supervisor.reports] == [{}, {}]
    assert sorted(report["reason"] for report in supervisor.reports) == ["exit", "exit"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of other accounts")
def test_files_are_looked_at_as_the_account_that_the_job_ran_as(
    supervisor: Supervisor, hosts: Callable[..., Host]
) -> None:
    host = hosts("host", "--run-as", "nobody")
    host.start()
    with TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "closed").mkdir(mode=0o700)
        (folder / "closed" / "a.exr").touch()
        package = {"cmdline": "touch mine", "outputPaths": "mine,closed/a.exr"}
        supervisor.submit("", "1", package=package, cwd=name)
        supervisor.until(lambda: supervisor.reports)
    mine, closed = supervisor.reports[0]["result"]["outputs"]
    assert mine["size"] == 0 and closed == {"path": f"{name}/closed/a.exr", "missing": True}


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A folder with pictures, links out of it, and what is none."""
    folder, outside = tmp_path / "roots", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    Image.new("RGB", (1920, 1080), "teal").save(folder / "a.png")
    Image.new("RGB", (64, 64), "red").save(outside / "secret.png")
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "page.jpg").write_text("<html><script>alert(1)</script>")
    return folder


def test_pictures_under_the_roots_get_thumbnails_and_no_others(
    supervisor: Supervisor, hosts: Callable[..., Host], roots: Path
) -> None:
    host = hosts("host", "--output-roots", f"/nowhere{os.pathsep}{roots}")
    host.start()
    wanted = [roots / "link.png", roots / "page.jpg", roots.parent / "outside" / "secret.png", roots / "a.png"]
    package = {"cmdline": "true", "outputPaths": ",".join(map(str, wanted))}
    supervisor.submit("", "1", package=package)
    supervisor.until(lambda: supervisor.thumbnails)
    [(where, data)] = supervisor.thumbnails.items()
    place, _, query = where.partition("?")
    assert place == f"{supervisor.reports[0]['attempt']}/3"
    assert parse_qs(query) == {"width": ["1920"], "height": ["1080"], "path": [str(roots / "a.png")]}
    with Image.open(BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (320, 180))
    for path, why in (("link.png", "outside of the output roots"), ("page.jpg", "no picture that can be read")):
        assert any(path in line and why in line for line in host.log().splitlines())
    assert "secret.png': it lies outside of the output roots" in host.log()


def test_files_of_a_programs_items_get_thumbnails_while_it_runs(
    supervisor: Supervisor, hosts: Callable[..., Host], roots: Path, tmp_path: Path
) -> None:
    kind = tmp_path / "types" / "painter"
    kind.mkdir(parents=True)
    (kind / "job.conf").write_text("[execute module]\nexecute_binding = Python\nexecute_library = execute.py\n")
    (kind / "execute.py").write_text("import time\ntime.sleep(600)\n")
    hosts("host", "--output-roots", str(roots), "--jobtypes", str(kind.parent)).start()
    supervisor.submit("", prototype="painter", cwd=str(roots))
    supervisor.until(supervisor.running)
    [program] = map(str, supervisor.running())
    supervisor.wrote = {"900": ["a.png", "notes.txt"], "901": ["../outside/secret.png", str(roots / "a.png")]}
    supervisor.hint()
    supervisor.until(lambda: len(supervisor.thumbnails) == 2)
    supervisor.hint()
    supervisor.until(lambda: supervisor.requests[-1]["shown"] == {program: 901})
    told = {where.partition("?")[0]: parse_qs(where.partition("?")[2])["path"] for where in supervisor.thumbnails}
    assert told == {"900/0": ["a.png"], "901/1": [str(roots / "a.png")]}, "under the names that the program gave"


def test_without_roots_there_are_no_thumbnails(supervisor: Supervisor, host: Host, roots: Path) -> None:
    supervisor.submit("", "1", package={"cmdline": "true", "outputPaths": str(roots / "a.png")})
    supervisor.submit("", "2", package={"cmdline": "sleep 1", "outputPaths": str(roots / "a.png")})
    supervisor.until(lambda: len(supervisor.reports) == 2)
    host.signal(15)
    assert host.wait() == 0
    assert not supervisor.thumbnails and "thumbnail" not in host.log()
    assert not any("shown" in request for request in supervisor.requests)
