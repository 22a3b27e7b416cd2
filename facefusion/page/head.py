"""Writes the head of the page: its language, link preview, icons and scripts.

Gradio puts its own name and picture into link previews, and mounts `launch(head=...)` only after
it has chosen a language; so this module edits Gradio's template of the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

import gradio.routes
from gradio.route_utils import STATIC_TEMPLATE_LIB
from jinja2 import ChoiceLoader, DictLoader
from markupsafe import Markup
from starlette.requests import Request

from facefusion.page.i18n import TAGS
from facefusion.page.own_files import PREVIEW_SIZE
from facefusion.words import Language, chosen_language, say
from facefusion.words.gradio import LITERALS

#: Query parameter of the page's address with the language that the visitor chose.
LANGUAGE_PARAMETER: Final = "language"
#: Colour of the browser's frame on a phone: the theme's indigo.
THEME_COLOR: Final = "#4f46e5"
_TEMPLATE: Final = "frontend/index.html"
_FOLDER: Final = Path(__file__).parent / "scripts"
#: Scripts of the page, in the order of their execution.
SCRIPTS: Final = (
    "dom.js",
    "address.js",
    "language.js",
    "streams.js",
    "toasts.js",
    "notices.js",
    "camera.js",
    "focus.js",
    "heic.js",
    "pictures.js",
    "names.js",
    "view.js",
    "handle.js",
    "peek.js",
    "visit.js",
    "metadata.js",
    "brush.js",
    "painting.js",
    "repair.js",
    "presses.js",
    "faces.js",
    "runs.js",
)
#: Gradio's previews of links, and its manifest.
_REPLACED: Final = re.compile(
    r"<meta\s+(?:property=\"og:|name=\"twitter:)[^>]*>|<link rel=\"manifest\"[^>]*>"
)
#: Hides the API panel's tab for MCP, which this server does not speak, and two things of Gradio
#: that appear as dots: the frame around no buttons, and the footer's separator after the last link.
#: Keeps the buttons below a photo above the camera's area, which is higher than its box.
_STYLE: Final = """
li.snippet:has(img[src*='/mcp-']) { display: none !important; }
.icon-button-wrapper:not(:has(button)) { display: none !important; }
.source-selection { position: relative; z-index: 1; }
footer .divider:not(:has(~ button:not(.hidden))), footer > button.hidden { display: none !important; }
"""


def install() -> None:
    """Edits Gradio's template, for all servers of this process.

    Raises:
        RuntimeError: Gradio's template has changed.
    """
    environment = gradio.routes.templates.env
    environment.globals.update(
        page_language=lambda request: TAGS[page_language(request)],
        page_head=lambda request, config: Markup(_head(request, config)),
    )
    loader = environment.loader
    if loader is None or isinstance(loader, ChoiceLoader):  # edited before
        return
    source = loader.get_source(environment, _TEMPLATE)[0]
    source, removed = _REPLACED.subn("", source)
    source, named = re.subn(
        r"(<html\s+)lang=\"en\"", r'\1lang="{{ page_language(request) }}"', source
    )
    source, begun = re.subn(r"(<meta charset[^>]*>)", r"\1{{ page_head(request, config) }}", source)
    if not (removed and named == begun == 1):
        raise RuntimeError("Gradio's template has changed")
    environment.loader = ChoiceLoader([DictLoader({_TEMPLATE: source}), loader])


def page_language(request: Request) -> Language:
    """Returns the language of a request for the page: the chosen one, or the browser's."""
    chosen = request.query_params.get(LANGUAGE_PARAMETER)
    return chosen_language(chosen, request.headers.get("accept-language"))


def _head(request: Request, config: Mapping[str, Any]) -> str:
    """Writes the tags.

    Args:
        request: for the page.
        config: Gradio's, with the page's title and the address that it is served at.
    """
    language, title = page_language(request), config["title"]
    description, picture = say("description", language), f"{config['root']}/preview.jpg"
    width, height = PREVIEW_SIZE
    properties = {
        "og:type": "website",
        "og:title": title,
        "og:description": description,
        "og:image": picture,
        "og:image:width": width,
        "og:image:height": height,
        "og:image:alt": say("preview.alt", language),
        "og:locale": {Language.ENGLISH: "en_US", Language.CHINESE: "zh_CN"}[language],
    }
    names = {
        "twitter:card": "summary_large_image",
        "description": description,
        "theme-color": THEME_COLOR,
    }
    tags = [
        f'<meta property="{key}" content="{escape(str(value))}">'
        for key, value in properties.items()
    ]
    tags += [f'<meta name="{key}" content="{escape(value)}">' for key, value in names.items()]
    tags += [
        '<link rel="icon" href="./icon.svg" type="image/svg+xml">',
        '<link rel="icon" href="./icon-192.png" type="image/png" sizes="192x192">',
        '<link rel="apple-touch-icon" href="./icon-192.png">',
        '<link rel="manifest" href="./manifest.json">',
        f"<style>{_STYLE}</style>",
        f"<script>{_settings(language)}\n{_scripts()}</script>",
    ]
    return "\n".join(tags)


def _settings(language: Language) -> str:
    """Defines `page`, the settings of the scripts."""
    settings: dict[str, Any] = {
        "language": language.value,
        "tags": {each.value: tag for each, tag in TAGS.items()},
        "parameter": LANGUAGE_PARAMETER,
        "core": _core(),
        "literals": LITERALS,
    }
    return f"const page = {json.dumps(settings, ensure_ascii=False)};".replace("</", "<\\/")


@cache
def _scripts() -> str:
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)


@cache
def _core() -> str:
    """Returns the address of Gradio's module that exports `changeLocale`.

    Raises:
        RuntimeError: Gradio has no such module any more.
    """
    folder = Path(STATIC_TEMPLATE_LIB, "frontend", "assets")
    for path in folder.glob("core-*.js"):
        if "as changeLocale" in path.read_text(encoding="utf-8"):
            return f"./assets/{path.name}"
    raise RuntimeError("Gradio cannot change its language")
