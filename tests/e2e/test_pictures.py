"""A real renderer's frames on a whole farm: how far they are, which files they wrote, and pictures in the browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.animation import Animation
from tests.e2e.processes import EmbeddedFarm
from tests.e2e.screens import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.usefixtures("povray"), pytest.mark.timeout(240)]
RENDERING = 90.0  # seconds
PAINTED = "(images) => images.length > 0 && images.every((one) => one.complete && one.naturalWidth > 0)"


def painted(selector: str, count: int = 1) -> str:
    images = f"[...document.querySelectorAll('{selector}')]"
    return f"() => {images}.length >= {count} && ({PAINTED})({images})"


def test_pictures_of_rendered_frames_are_painted_and_lead_to_them(
    make_farm: Callable[..., EmbeddedFarm], tmp_path: Path, screen_on: Callable[..., Screen]
) -> None:
    animation = Animation(tmp_path / "orrery")
    animation.bring_comet()
    outside = tmp_path / "secret.png"
    Image.new("RGB", (64, 64), "red").save(outside)
    farm = make_farm(FARM_OUTPUT_ROOTS=str(animation.folder))
    farm.start()
    asked = animation.job()
    asked["package"] |= {"range": "1-6", "outputPaths": f"orrery0QB_FRAME_NUMBER.png,{outside}"}
    job = farm.api().submit(asked)[0]["id"]
    screen = screen_on(farm)
    screen.open_job(job)
    screen.wait(painted(".thumb img", 6), "six pictures are painted", RENDERING)
    shown = {screen.page.locator(".thumb").nth(at).inner_text() for at in range(6)}
    assert shown == {"1", "2", "3", "4", "5", "6"}
    screen.page.locator(".thumb", has_text="3").click()
    screen.wait_for_text("[data-log-title]", "frame 3")
    screen.wait(painted(".outputs img"), "the frame's picture is painted")
    assert screen.page.locator(".outputs .files li .mono").all_inner_texts() == ["orrery03.png", "secret.png"]
    assert "secret.png': it lies outside of the output roots" in farm.main.output()
    [work] = [one for one in farm.api().jobinfo(id=job, agenda=True)[0]["agenda"] if one["name"] == "3"]
    assert work["resultpackage"]["outputPaths"] == f"{animation.folder}/orrery03.png,{outside}"
    assert farm.rows("SELECT count(*) FROM thumbnail WHERE path LIKE '%secret%'") == [(0,)]


def test_how_far_a_frame_is_moves_on_the_page(
    farm: EmbeddedFarm, tmp_path: Path, screen_on: Callable[..., Screen]
) -> None:
    go = tmp_path / "go"
    cmdline = f"echo ALF_PROGRESS 37%; until [ -e {go} ]; do sleep 0.1; done; echo ALF_PROGRESS 81%; exec sleep 600"
    job = farm.api().submit({"prototype": "cmdrange", "package": {"range": "1", "cmdline": cmdline}})[0]["id"]
    screen = screen_on(farm)
    screen.open_job(job)
    screen.wait_for_letters("R")
    screen.click_frame(0)
    screen.wait_for_text("[data-log-row]", "37 %")
    screen.wait_for_text("#subjobs", "37 %")
    screen.mark()
    go.touch()
    screen.wait_for_text("[data-log-row]", "81 %")
    screen.wait_for_text("#subjobs", "81 %")
    assert screen.unmoved(), "all of it was news"
    assert farm.api().jobinfo(id=job, agenda=True)[0]["agenda"][0]["percent"] == 81
