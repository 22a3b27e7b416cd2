"""A timed walk through the page in a real browser: from its address to a result in one press.

`python -m benchmarks.walk` prints what a first visitor waits for; `--screenshots docs` also makes
the documentation's pictures of the page. Wants Debian's chromium, and Playwright from requirements-dev.txt.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from benchmarks import screenshots
from benchmarks.server import ServerCommand, inherited, serving

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


def walk(browser: Browser, url: str) -> dict[str, float]:
    """Measures a first visit, with an empty browser cache.

    Returns:
        Seconds and megabytes by name.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 844})
    page = context.new_page()
    weight = {"bytes": 0.0}
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.on(
        "Network.loadingFinished",
        lambda event: weight.update(bytes=weight["bytes"] + event["encodedDataLength"]),
    )
    begin = time.perf_counter()
    page.goto(url)
    page.wait_for_selector("#fuse")
    found: dict[str, float] = {"page ready, s": time.perf_counter() - begin}
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
    found["first paint, s"] = float(page.evaluate(paint))
    page.wait_for_timeout(1000)
    found["page weight, MB"] = weight["bytes"] / 1e6
    begin = time.perf_counter()
    page.click("#example-1")
    page.wait_for_selector("#view .view[data-state=result]")
    found["one press to an example's result, s"] = time.perf_counter() - begin
    for place, name in (("source", "portrait-3"), ("target", "portrait-1")):
        page.click(f"#{place}-photo [aria-label='Remove Image']")
        page.set_input_files(f"#{place}-photo input[type=file]", EXAMPLES / f"{name}.jpg")
        page.wait_for_selector(f"#{place}-photo img")
    shown = page.get_attribute("#view .view", "data-file")
    begin = time.perf_counter()
    page.click(".select-all-checkbox")
    page.wait_for_selector(f"#view .view[data-state=result]:not([data-file='{shown}'])")
    found["third press to one's own result, s"] = time.perf_counter() - begin
    context.close()
    return found


def main() -> None:
    """Prints the measurements, and makes pictures if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=5, metavar="N", help="visits (default: %(default)s)"
    )
    parser.add_argument(
        "--screenshots",
        type=Path,
        metavar="DIR",
        help="write the documentation's pictures of the page there",
    )
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("There is no Chromium on this machine: apt-get install chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), ServerCommand(inherited())) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        visits = [walk(browser, server.url) for _ in range(options.runs)]
        for name in visits[0] if visits else ():
            values = [visit[name] for visit in visits]
            print(f"{name:<38}{np.median(values):7.2f}   ({min(values):.2f} to {max(values):.2f})")
        if options.screenshots:
            screenshots.take(browser, server.url, options.screenshots)
        browser.close()


if __name__ == "__main__":
    main()
