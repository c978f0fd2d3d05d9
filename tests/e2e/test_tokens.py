"""A token from its page to a script and back to nothing, in a real browser on a real farm."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qbcore.errors import Unauthorized
from tests.e2e.processes import EmbeddedFarm
from tests.e2e.screens import Screen

pytestmark = [pytest.mark.browser, pytest.mark.e2e]


def shot(screen: Screen, name: str) -> None:
    """A picture for whoever looks at the pages: FARM_SHOTS names a folder."""
    if folder := os.environ.get("FARM_SHOTS"):
        screen.page.screenshot(path=Path(folder) / f"{name}.png")


def test_a_token_is_made_used_and_revoked(calm: EmbeddedFarm, screen_on: Callable[..., Screen]) -> None:
    screen = screen_on(calm)
    page = screen.page
    page.get_by_role("button", name="Account of admin").click()
    page.get_by_role("menuitem", name="Tokens").click()
    page.get_by_label("Label").fill("nightly submitter")
    assert not page.get_by_label("read", exact=False).last.is_visible()
    page.get_by_label("only").check()
    page.locator("[name=scopes][value=read]").check()
    shot(screen, "tokens-form")
    page.get_by_role("button", name="Make the token").click()
    token = page.locator("#made").inner_text().strip()
    shot(screen, "tokens-made")
    api = calm.api(token)
    assert [host["state"] for host in api.hostinfo()] == ["active"]
    screen.open("tokens")
    row = page.locator("tr", has_text="nightly submitter")
    assert token not in page.content() and f"…{token[-4:]}" in row.inner_text()
    shot(screen, "tokens-list")
    row.get_by_role("link", name="Revoke").click()
    shot(screen, "tokens-revoke")
    page.get_by_role("button", name="Revoke the token").click()
    page.locator("tr", has_text="scripts on this machine").wait_for()
    assert not page.locator("tr", has_text="nightly submitter").count()
    with pytest.raises(Unauthorized):
        api.hostinfo()
