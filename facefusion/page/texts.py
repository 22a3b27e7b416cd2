"""The fixed words of the page, which the browser translates (`gr.I18n`). What is said later is said
by the server.
"""

from __future__ import annotations

from typing import Final

import gradio as gr

from facefusion.words import TEXTS, Language

#: Gradio knows no plain "zh": these are the names under which it looks for Chinese.
I18N: Final = gr.I18n(
    **{
        "en": TEXTS[Language.ENGLISH],
        "zh-CN": TEXTS[Language.CHINESE],
        "zh-TW": TEXTS[Language.CHINESE],
    },
)


def t(key: str) -> str:
    """A marker that the browser replaces by the words for `key`: the first of a label, a Markdown
    text or an HTML text.

    Raises:
        KeyError: there are no words for it.
    """
    if key not in TEXTS[Language.ENGLISH]:
        raise KeyError(key)
    return str(I18N(key))
