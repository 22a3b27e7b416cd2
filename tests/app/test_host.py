"""What the host says about the page, by environment variables."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facefusion.page.host import (
    CONTACT_VARIABLE,
    EXAMPLES,
    EXAMPLES_VARIABLE,
    IMPRINT_VARIABLE,
    TITLE_VARIABLE,
    Host,
)
from facefusion.words import Language, say


def test_nothing_is_said_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (TITLE_VARIABLE, CONTACT_VARIABLE, IMPRINT_VARIABLE, EXAMPLES_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    assert Host.read() == Host("FaceFusion", "", "", EXAMPLES) and Host.read().links == {}


@pytest.mark.parametrize(
    ("value", "contact"),
    [
        ("me@example.org", "mailto:me@example.org"),
        ("mailto:me@example.org", "mailto:me@example.org"),
        (" https://example.org/contact ", "https://example.org/contact"),
        ("javascript:alert(1)", ""),
        ("me@example.org?bcc=you@example.org", ""),
        ("call me", ""),
    ],
)
def test_a_contact_is_a_mail_address_or_a_page(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str, contact: str
) -> None:
    monkeypatch.setenv(CONTACT_VARIABLE, value)
    with caplog.at_level(logging.WARNING, "facefusion.app"):
        assert Host.read().contact == contact
    assert (CONTACT_VARIABLE in caplog.text) == (not contact)


def test_examples_need_their_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(EXAMPLES_VARIABLE, str(tmp_path))
    assert Host.read().examples == EXAMPLES
    (tmp_path / "pairs.csv").write_text("source,target\n", encoding="utf-8")
    assert Host.read().examples == tmp_path


def test_the_page_says_what_its_host_says(
    visit: Callable[..., Any],
    serve_page: Any,
    pipeline: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tmp_path / "photos"
    own.mkdir()
    for name in ("portrait-1.jpg", "portrait-2.jpg"):
        shutil.copy(EXAMPLES / name, own)
    (own / "pairs.csv").write_text("source,target\nportrait-2.jpg,portrait-1.jpg\n")
    monkeypatch.setenv(TITLE_VARIABLE, 'Faces "& <b>Friends')
    monkeypatch.setenv(CONTACT_VARIABLE, "me@example.org")
    monkeypatch.setenv(IMPRINT_VARIABLE, "https://example.org/imprint?a=1&b=2")
    monkeypatch.setenv(EXAMPLES_VARIABLE, str(own))
    with serve_page(pipeline, tmp_path / "cache") as server:
        visitor = visit(390, "en-US", url=server.url)
        page = visitor.page
        assert page.inner_text("#lead h1") == page.title() == 'Faces "& <b>Friends'
        assert page.get_attribute("meta[property='og:title']", "content") == 'Faces "& <b>Friends'
        links = page.locator("#host a")
        assert links.all_inner_texts() == [say("host.contact"), say("host.imprint")]
        addresses = [link.get_attribute("href") for link in links.all()]
        assert addresses == ["mailto:me@example.org", "https://example.org/imprint?a=1&b=2"]
        assert page.locator(".example").count() == 1
        page.click("#example-1")
        page.wait_for_selector("#target-photo img")
        page.click("[data-language=zh]")
        page.wait_for_selector(f"#host a:has-text('{say('host.imprint', Language.CHINESE)}')")
        visitor.fits()
        visitor.behaves()
