"""How the page looks: theme, style, and the bits of HTML that Gradio has no component for."""

from __future__ import annotations

import json
from html import escape
from typing import Any, Final

import gradio as gr

from facefusion import words
from facefusion.tiers import Tier, TierChoice
from facefusion.types import Timings

# The fonts of the visitor's system: the page asks no other host for anything.
THEME: Final = gr.themes.Soft(
    primary_hue="indigo",
    neutral_hue="slate",
    font=("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"),
    font_mono=("ui-monospace", "Consolas", "monospace"),
)
CSS: Final = """
.gradio-container main { max-width: 1000px; margin: 0 auto !important; }
#source-photo, #target-photo { height: 320px; }
#result-image, #draft-image { min-height: 260px; }
#result-image img, #draft-image img { max-height: 75vh; object-fit: contain; }
#result-image [data-testid="status-tracker"] * { font-family: var(--font); }
#controls { align-items: center; }
#fuse { min-height: 56px; font-size: 1.15rem; }
#notes { margin-top: 16px; }
.notice { margin: 0; padding: 10px 14px; border-radius: 8px; border-left: 4px solid #d97706;
  background: color-mix(in srgb, #d97706 14%, transparent); color: var(--body-text-color); }
.likeness h2 { margin: 0 0 10px; font-size: 1.2rem; }
.likeness p { margin: 12px 0 0; }
.likeness .meter { height: 10px; border-radius: 5px; background: var(--border-color-primary); overflow: hidden; }
.likeness .meter span, .times .bar { display: block; height: 100%; border-radius: 5px; background: var(--primary-500); }
.times { margin-top: 16px; }
.times summary { cursor: pointer; padding: 8px 0; }
.times table { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
.times table, .times table *, .times table th, .times table td { border: none; padding: 4px 0;
  font-weight: normal; text-align: left; }
.times table td { width: 28%; padding-left: 8px; }
.times table td:last-child { width: 4em; text-align: right; white-space: nowrap; }
.times .bar { height: 8px; min-width: 2px; }
@media (max-width: 640px) { #source-photo, #target-photo { height: 260px; } }
"""
# Gradio gives every upload area the same accessible name, and makes the area anew whenever a photo comes or goes.
_UPLOAD_NAMES: Final = json.dumps(
    {"source-photo": (words.SOURCE, words.SOURCE_AREA), "target-photo": (words.TARGET, words.TARGET_AREA)}
)
HEAD: Final = (
    # Gradio's own style rules do not reach the footer; on a phone it leaves a lone dot there.
    "<style>@media (max-width: 640px) { footer .divider { display: none !important; } }</style>"
    f"<script>const uploadNames = {_UPLOAD_NAMES};"
    """
const nameUploads = () => Object.entries(uploadNames).forEach(([id, [group, area]]) => {
  const block = document.getElementById(id);
  if (!block) return;
  block.setAttribute("role", "group");
  block.setAttribute("aria-label", group);
  block.querySelectorAll("button[aria-dropeffect], input[type=file]").forEach((e) => e.setAttribute("aria-label", area));
});
new MutationObserver(nameUploads).observe(document, { childList: true, subtree: true });
// Brings what has just appeared into view: on a phone it is below the button, or above it.
const reveal = () => setTimeout(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const notice = document.querySelector(".notice");
  const shown = notice ?? document.getElementById("outcome");
  shown?.scrollIntoView({ block: notice ? "center" : "nearest", behavior: calm ? "auto" : "smooth" });
}, 200);
</script>
"""
)

#: JavaScript for listeners, defined in `HEAD`.
REVEAL: Final = "() => reveal()"


def upload(elem_id: str, label: str, hint: str, sources: list[Any]) -> gr.Image:
    """An area to choose a photo."""
    return gr.Image(
        type="filepath", label=label, placeholder=hint, alt_text=label, sources=sources, buttons=[], elem_id=elem_id
    )


def picture(elem_id: str, label: str, alt_text: str) -> gr.Image:
    """A picture to look at and to download. "share" is left out: it would upload the picture to another host."""
    buttons: list[Any] = ["download", "fullscreen"]
    return gr.Image(format="png", label=label, alt_text=alt_text, interactive=False, buttons=buttons, elem_id=elem_id)


def tiers(elem_id: str) -> gr.Radio:
    """The choice of how much work a fusion does."""
    choices = [(name, tier.value) for tier, name in words.TIER_NAMES.items()]
    return gr.Radio(
        choices, value=Tier.AUTO.value, label=words.TIER, info=words.TIER_HINT, scale=2, min_width=280, elem_id=elem_id
    )


def notice(message: str) -> str:
    """HTML of a message beside a photo; a screen reader reads it out as it appears."""
    return f'<p class="notice" role="alert">{escape(message)}</p>' if message else ""


def report(similarity: float, timings: Timings, choice: TierChoice | None = None) -> str:
    """HTML of the identity match, of the quality that was chosen, and of the time of each stage."""
    chosen = f"<p>{escape(words.chosen(choice))}</p>" if choice is not None else ""
    word, sentence = words.likeness(similarity)
    width = round(100 * min(max(similarity, 0.0), 1.0))
    longest = max(timings.stages.values(), default=0.0) or 1.0
    rows = "".join(
        f'<tr><th scope="row">{escape(words.stage(name))}</th>'
        f'<td><span class="bar" style="width:{100 * seconds / longest:.0f}%"></span></td><td>{seconds:.2f} s</td></tr>'
        for name, seconds in timings.stages.items()
    )
    return (
        f'<div class="likeness"><h2>Likeness: {word}</h2><div class="meter" aria-hidden="true">'
        f'<span style="width:{width}%"></span></div>'
        f"<p>{sentence} Identity match: <strong>{similarity:.2f}</strong> (1 would be the very same picture).</p>"
        f"{chosen}</div>"
        f'<details class="times"><summary>Done in {timings.total:.1f} seconds</summary><table>{rows}</table></details>'
    )
