"""What other sites and the browser's frame show of the page: link preview, icon, manifest."""

from __future__ import annotations

import gzip
import io
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from facefusion.page.own_files import ICON_SIDES, PREVIEW, PREVIEW_SIZE, icon_png
from facefusion.words import Language, say


def _get(url: str, **headers: str) -> tuple[bytes, str]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.read(), answer.headers["content-type"]


def _metas(html: str) -> dict[str, list[str]]:
    metas: dict[str, list[str]] = {}
    for name, content in re.findall(
        r'<meta\s+(?:name|property)="([^"]+)"\s+content="([^"]*)"', html
    ):
        metas.setdefault(name, []).append(content)
    return metas


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [
        ("", "en-US", "en"),
        ("", "zh-HK,en;q=0.5", "zh"),
        ("?language=zh", "en-US", "zh"),
        ("?language=en", "zh-CN", "en"),
        ("?language=%22%3E%3Cscript%3E", "zh", "zh"),
    ],
)
def test_the_link_preview_is_the_page_s_own(
    server: Any, query: str, accepted: str, language: str
) -> None:
    html = _get(server.url + query, **{"Accept-Language": accepted})[0].decode()
    metas = _metas(html)
    description = say("description", Language(language))
    assert metas["og:title"] == ["FaceFusion"] and metas["twitter:card"] == ["summary_large_image"]
    assert metas["og:description"] == metas["description"] == [description]
    assert metas["og:image"] == [f"{server.url}preview.jpg"]
    assert len(metas["theme-color"]) == 1
    told = str(metas)
    assert "githubusercontent" not in told and "@Gradio" not in told and "gradio.app" not in told
    assert re.search(r'<html\s+lang="(\S+)"', html)[1] == {"en": "en", "zh": "zh-CN"}[language]  # type: ignore[index]
    assert '"><script>' not in html.partition("<style>")[0]


def test_the_page_is_compressed(server: Any) -> None:
    plain, packed = (
        _get(server.url, **{"Accept-Encoding": how})[0] for how in ("identity", "gzip")
    )
    # Its pictures are JPEG in base64, which shrink by a quarter.
    assert len(packed) < 0.6 * len(plain) and gzip.decompress(packed)[:500] == plain[:500]


def test_the_preview_has_the_size_that_sites_show() -> None:
    with Image.open(PREVIEW) as picture:
        assert picture.size == PREVIEW_SIZE == (1200, 630) and picture.format == "JPEG"
    assert PREVIEW.stat().st_size < 150_000


def test_the_icon_is_the_same_as_svg_and_png(server: Any) -> None:
    svg, kind = _get(server.url + "icon.svg")
    assert kind == "image/svg+xml"
    colors = {e.get("fill") for e in ElementTree.fromstring(svg) if e.get("fill")}
    for side in ICON_SIDES:
        png, kind = _get(f"{server.url}icon-{side}.png")
        assert kind == "image/png" and png == icon_png(side)
        with Image.open(io.BytesIO(png)) as icon:
            assert icon.size == (side, side)
            pixels = np.asarray(icon).reshape(-1, 4)
        assert pixels[0, 3] == 0  # a rounded corner
        shades = {f"#{r:02x}{g:02x}{b:02x}" for r, g, b, a in np.unique(pixels, axis=0) if a == 255}
        assert colors <= shades


def test_the_manifest_names_icons_that_are_there(server: Any) -> None:
    manifest = json.loads(_get(server.url + "manifest.json")[0])
    assert manifest["name"] == "FaceFusion" and len(manifest["icons"]) == 3
    for icon in manifest["icons"]:
        content, kind = _get(server.url + icon["src"].removeprefix("./"))
        assert kind == icon["type"] and content
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _get(server.url + "icon-7.png")


def test_the_browser_shows_the_icon_and_no_tab_of_mcp(visit: Callable[..., Any]) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    icons = page.eval_on_selector_all(
        "link[rel=icon]", "all => all.map((e) => e.getAttribute('href'))"
    )
    assert icons[0] == "./icon.svg"
    page.click("footer button.show-api")
    page.wait_for_selector("li.snippet:has-text('Python')")
    assert page.locator("li.snippet:visible").all_inner_texts() == [
        "Python", "JavaScript", "CLI", "cURL",
    ]  # fmt: skip
