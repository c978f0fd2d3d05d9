"""A browser window on one web process of a farm, and what stands on its pages."""

from __future__ import annotations

import json

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page
from playwright.sync_api import TimeoutError as TooLate

from tests.e2e.farms import Farm
from tests.e2e.programs import PATIENCE, told

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


class Screen:
    """A signed-in window. Everything that the browser complains about (scripts, CSP, failed requests) is a problem."""

    def __init__(self, browser: Browser, farm: Farm, *, web: int = 0, user: str = "admin", role: str = "admin") -> None:
        self.farm = farm
        self.url = farm.urls[web]
        self.problems: list[str] = []
        self._context = browser.new_context(viewport={"width": 1440, "height": 900})
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        self.open(farm.sign_in(user, role))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def open_job(self, job: int, tab: str = "frames") -> None:
        """The job's page, its frames loaded and its live connection up."""
        self.open(f"jobs/{job}?tab={tab}")
        if tab == "frames":
            self.wait("() => farm.frames && farm.frames.letters().length > 0", "the frames are here")
        self.wait("() => document.querySelector('.lamp').dataset.state === 'live'", "the page is live")

    def wait(self, condition: str, what: str, seconds: float = PATIENCE) -> None:
        """Until the JavaScript function gives true."""
        try:
            self.page.wait_for_function(condition, timeout=seconds * 1000, polling=100)
        except TooLate:
            text = self.page.inner_text("body")
            raise AssertionError(
                f"not within {seconds:g} s on {self.page.url}: {what}\n{text}\n{self.problems}\n"
                f"{told(self.farm.programs)}"
            ) from None

    def wait_for_text(self, selector: str, text: str, seconds: float = PATIENCE) -> None:
        found = f"[...document.querySelectorAll({json.dumps(selector)})].some((one) => one.checkVisibility() && "
        self.wait(f"() => {found}one.textContent.includes({json.dumps(text)}))", f"{selector} reads {text!r}", seconds)

    def letters(self) -> str:
        """One letter per frame, as the grid draws them."""
        return str(self.page.evaluate("() => farm.frames.letters().join('')"))

    def wait_for_letters(self, letters: str, seconds: float = PATIENCE) -> None:
        """Until the grid has each of these letters exactly as often as *letters* has."""
        wanted = {letter: letters.count(letter) for letter in set(letters)}
        tests = " && ".join(f"now.split('{letter}').length === {count + 1}" for letter, count in wanted.items())
        condition = f"() => {{ const now = farm.frames.letters().join(''); return {tests}; }}"
        self.wait(condition, f"the grid shows {wanted}", seconds)

    def mark(self) -> None:
        """Remembers that this page was not loaded anew since."""
        self.page.evaluate("() => { window.stillHere = true; }")

    def unmoved(self) -> bool:
        return bool(self.page.evaluate("() => window.stillHere === true"))

    def wait_for_pill(self, row: str, status: str, seconds: float = PATIENCE) -> None:
        condition = f"""() => document.querySelector("[data-row='{row}'] [data-status='{status}']") !== null"""
        self.wait(condition, f"{row} reads {status}", seconds)

    def click_frame(self, pos: int) -> None:
        """Clicks the cell of the frame at that position of the grid."""
        at = self.page.evaluate(f"() => ({{ x: farm.grid.x({pos}) + 2, y: farm.grid.y({pos}) + 4 }})")
        self.page.locator(".canvasbox canvas").first.click(position=at)

    def press(self, label: str, *, why: str = "") -> Locator:
        """Presses a button of the job's header, agrees to its preview, and gives the toast that tells of its run."""
        if not self.page.locator("[data-jobacts] button", has_text=label).count():
            self.page.get_by_role("button", name="More actions").click()
        self.page.locator("button[data-act][data-scope=job]:visible", has_text=label).first.click()
        dialog = self.page.locator("#popover form")
        dialog.wait_for()
        if why:
            dialog.locator("[name=why]").fill(why)
        dialog.locator("button[name=go]").click()
        toast = self.page.locator("#toasts .toast").last
        toast.wait_for()
        return toast

    def close(self) -> None:
        self._context.close()
