"""Provides the fixed texts of the page, which the browser translates (`gr.I18n`).

Later messages are translated by the server.
"""

from __future__ import annotations

from typing import Final

import gradio as gr

from facefusion.words import TEXTS, Language

#: Gradio does not support plain "zh": it looks Chinese up under these names.
I18N: Final = gr.I18n(
    **{
        "en": TEXTS[Language.ENGLISH],
        "zh-CN": TEXTS[Language.CHINESE],
        "zh-TW": TEXTS[Language.CHINESE],
    },
)


def t(key: str) -> str:
    """Makes a marker that the browser replaces by the text for `key`.

    It must begin a label, a Markdown text or an HTML text.

    Raises:
        KeyError: there is no such text.
    """
    if key not in TEXTS[Language.ENGLISH]:
        raise KeyError(key)
    return str(I18N(key))
