"""Provides the fixed texts of the page, which the browser translates (`gr.I18n`).

Later messages are translated by the server.
"""

from __future__ import annotations

from typing import Final

import gradio as gr

from facefusion.words import TEXTS, Language, gradio

#: Gradio's name of each language. `head` gives the browser one of them, whatever its own language,
#: because Gradio looks texts up under the exact name.
TAGS: Final = {Language.ENGLISH: "en", Language.CHINESE: "zh-CN"}
I18N: Final = gr.I18n(
    **{
        TAGS[Language.ENGLISH]: TEXTS[Language.ENGLISH],
        TAGS[Language.CHINESE]: {**TEXTS[Language.CHINESE], **gradio.CHINESE},
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
