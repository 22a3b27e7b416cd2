"""Defines the theme, style sheet and JavaScript of the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import gradio as gr

# Fonts of the visitor's system: the page requests nothing from other hosts.
THEME: Final = gr.themes.Soft(
    primary_hue="indigo",
    neutral_hue="slate",
    font=(
        "system-ui",
        "-apple-system",
        "Segoe UI",
        "Roboto",
        "PingFang SC",
        "Microsoft YaHei",
        "sans-serif",
    ),
    font_mono=("ui-monospace", "Consolas", "monospace"),
).set(
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_600",
    button_primary_background_fill_hover_dark="*primary_700",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_label_text_color="*primary_700",
    block_title_text_color="*neutral_800",
    block_title_text_color_dark="*neutral_100",
    block_border_width="1px",
    block_shadow="none",
    checkbox_label_shadow="none",
    checkbox_label_border_width="1px",
    checkbox_label_background_fill_selected="*primary_100",
    checkbox_label_background_fill_selected_dark="*primary_900",
    checkbox_label_border_color_selected="*primary_500",
    checkbox_label_text_color_selected="*primary_900",
    checkbox_label_text_color_selected_dark="*primary_50",
    checkbox_border_color="*neutral_500",
    checkbox_border_color_dark="*neutral_400",
    button_secondary_background_fill="*neutral_100",
    button_secondary_shadow="none",
    layout_gap="12px",
)
CSS: Final = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
HEAD: Final = (
    # Gradio's style rules do not reach the footer; on a phone it shows a separator alone.
    "<style>@media (max-width: 640px) { footer .divider { display: none !important; } }</style>"
)

#: JavaScript for listeners, defined in `scripts/runs.js`.
REVEAL: Final = "() => runs.reveal()"
#: Exchanges two photos in the browser, without a request to the server, and empties their notices: the
#: server looks at each photo again in its new place.
EXCHANGE: Final = "(one, other) => [other, one, '', '']"


def look(place: str, inputs: int) -> str:
    """Returns JavaScript that notes which photo the server begins to look at, and passes `inputs` on."""
    return f"(...given) => (runs.look('{place}', given[0]), given.slice(0, {inputs}))"


def looked_at(place: str) -> str:
    """Returns JavaScript that notes that the server has looked at that photo."""
    return f"() => runs.lookedAt('{place}')"


def give_face(path: str, address: str) -> str:
    """Returns JavaScript that makes a file the face, unless the visitor has given their own meanwhile."""
    file = {"path": path, "url": address, "meta": {"_type": "gradio.FileData"}}
    return f"(own) => runs.faceOf(own, {json.dumps(file)})"
