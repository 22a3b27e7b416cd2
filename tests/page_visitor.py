"""Visits the page in Debian's Chromium, through Playwright."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facefusion.words import language_of, say

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
AXE = EXAMPLES.parent / "node_modules" / "axe-core" / "axe.min.js"


class PageVisitor:
    """Somebody with a browser who looks at a page, and what the page does behind their back."""

    def __init__(self, page: Any, url: str, width: int, locale: str, scheme: str) -> None:
        self.language = language_of(locale)
        self.width = width
        self.seen = ""
        self.page = page
        self.page.set_viewport_size({"width": width, "height": 844})
        self.page.emulate_media(color_scheme=scheme)
        self.strangers: list[str] = []
        self.errors: list[str] = []
        own = (url, "data:", "blob:")
        self.page.on(
            "request", lambda r: None if r.url.startswith(own) else self.strangers.append(r.url)
        )
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.set_default_timeout(30_000)  # two test processes share two cores
        self.page.goto(url)
        self.page.wait_for_selector("#fuse")
        self.page.wait_for_selector("#state li")

    def say(self, key: str) -> str:
        return say(key, self.language)

    @property
    def target(self) -> str | None:
        """Where the picture of the target photo comes from."""
        return self.page.get_attribute("#target-photo img", "src")

    def choose(self, place: str, path: str) -> None:
        """Gives a photo instead of the one that is there, and waits until it was looked at."""
        told = f"#{place}-notice .notice >> visible=true"
        if self.page.locator(f"#{place}-photo img").count():
            self.page.locator(f"#{place}-photo .icon-button-wrapper button").last.click()
            self.page.wait_for_selector(f"#{place}-photo img", state="detached")
            self.page.wait_for_selector(told, state="detached")
        self.page.set_input_files(f"#{place}-photo input[type=file]", path)
        self.page.wait_for_selector(f"#{place}-photo img", state="attached")
        looked_at = self.page.locator(told)
        if place == "target":
            looked_at = looked_at.or_(self.page.locator("#target-photo .frames button >> nth=0"))
        try:
            looked_at.first.wait_for()
        except Exception as error:
            notices = self.page.locator("[id$=-notice]").all_inner_texts()
            message = f"{place}: never looked at; notices {notices}, errors {self.errors}"
            raise AssertionError(message) from error

    def consent(self) -> None:
        for box in self.page.locator("#consent .wrap input:not(:checked)").all()[::-1]:
            box.check()

    def give_two_photos(
        self,
        source: str = str(EXAMPLES / "portrait-3.jpg"),
        target: str = str(EXAMPLES / "portrait-1.jpg"),
    ) -> None:
        """Gives two photos and both ticks, after which a fusion begins."""
        self.choose("source", source)
        self.choose("target", target)
        self.consent()

    def fuse_two_photos(self, *photos: str) -> None:
        """From the empty page to the finished result of two photos."""
        self.give_two_photos(*photos)
        self.result()

    def result(self) -> str:
        """Waits for the next finished result, and gives the address of its file."""
        self.page.wait_for_function(
            """seen => { const made = document.querySelector("#made data")?.dataset;
            const view = document.querySelector("#view .view").dataset;
            return made?.png && made.after !== seen && made.after === view.file
              && !document.querySelector("#cancel"); }""",
            arg=self.seen,
            timeout=60_000,
        )
        self.seen = str(self.page.get_attribute("#made data", "data-after"))
        return self.seen

    def open(self, section: str) -> None:
        self.page.click(f"#{section} > button")
        self.page.wait_for_selector(f"#{section} [data-testid=accordion-content] >> visible=true")
        self.painted()

    def needs(self) -> list[str]:
        """What the page says is missing."""
        texts = self.settled(lambda: self.page.locator("#state li").all_inner_texts())
        return [str(each) for each in texts]

    def settled(self, read: Callable[[], Any]) -> Any:
        """Reads the page until two readings agree: scripts write a little after what they observe."""
        found, now = None, read()
        while found != now:
            self.page.wait_for_timeout(300)
            found, now = now, read()
        return now

    def notice(self, place: str) -> str:
        return str(self.page.inner_text(f"#{place}-notice .notice"))

    def fits(self) -> None:
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width

    def barriers(self) -> list[str]:
        """Lists what axe finds serious, in the light scheme and in the dark one."""
        if not AXE.is_file():
            pytest.skip("axe-core is not installed: run `npm ci` (make test does, where npm is)")
        self.page.add_script_tag(path=str(AXE))
        barriers = []
        for scheme in ("light", "dark"):
            self.show(scheme)
            found = self.page.evaluate(
                "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
            )
            barriers += [
                f"{scheme}, {each['id']}: {each['nodes'][0]['target']}"
                f" {each['nodes'][0].get('failureSummary', '')}"
                for each in found["violations"]
                if each["impact"] in ("serious", "critical")
            ]
        return barriers

    def resize(self, width: int) -> None:
        """Gives the window another width, and waits until the page is laid out anew."""
        self.width = width
        self.page.set_viewport_size({"width": width, "height": 844})
        self.painted()

    def painted(self) -> None:
        """Waits for the second frame: Gradio sets what a section holds once more in the first one."""
        self.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def show(self, scheme: str) -> None:
        """Switches to a color scheme, and waits until no color changes any more."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.wait_for_function(
            "dark => document.body.classList.contains('dark') === dark", arg=scheme == "dark"
        )
        self.page.wait_for_function(
            "document.getAnimations().every((each) => !(each instanceof CSSTransition))"
        )

    def behaves(self) -> None:
        assert self.strangers == [] and self.errors == []
