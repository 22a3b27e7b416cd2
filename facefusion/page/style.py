"""Defines the theme, style sheet and JavaScript of the page."""

from __future__ import annotations

import json
from typing import Final

import gradio as gr

from facefusion.words import TEXTS, Language

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
CSS: Final = """
.gradio-container main, .gradio-container .main { width: 100%; max-width: 1040px; margin: 0 auto !important; }
#lead { gap: 2px; }
#top { flex-wrap: nowrap; align-items: center; gap: 8px; }
#top > #header { flex: 1 1 0; min-width: 0; } #top h1 { overflow-wrap: anywhere; line-height: 1.2; }
#top > #language { flex: 0 0 auto; width: auto; min-width: 0; padding: 0; } #language > div { padding: 0; }
.switch { display: flex; }
.switch button { min-width: 52px; height: 44px; margin: 0; padding: 0 10px; line-height: 1;
  border: 1px solid var(--border-color-primary); background: transparent;
  color: var(--body-text-color); cursor: pointer; font-size: 0.95rem; }
.switch button:first-child { border-radius: 8px 0 0 8px; border-right: none; }
.switch button:last-child { border-radius: 0 8px 8px 0; }
.switch button[aria-pressed="true"] { background: var(--primary-600); border-color: var(--primary-600); color: #fff;
  font-weight: 600; }
#lead h1 { margin: 8px 0 0; font-size: 1.9rem; }
#lead p { margin: 0; font-size: 1.05rem; color: var(--body-text-color); }
#kept p, #examples-hint p { font-size: 0.9rem; color: var(--body-text-color-subdued); margin: 0; }
h2.step { margin: 6px 0 0; font-size: 1.15rem; font-weight: 600; display: flex; gap: 10px; align-items: center; }
h2.step > span { display: inline-flex; width: 30px; height: 30px; border-radius: 50%; align-items: center;
  justify-content: center; background: var(--primary-600); color: #fff; font-size: 1rem; }
/* Headings, boxes and notices begin at one edge, and a box has no second title. */
.gradio-container .html-container { padding-left: 0; padding-right: 0; }
#source-photo > [data-testid="block-label"], #target-photo > [data-testid="block-label"] { display: none; }
#source-photo, #target-photo { height: 320px; }
#second-photo, #third-photo, #other-photo { height: 200px; }
#result-image, #draft-image { min-height: 260px; }
#result-image img, #draft-image img { max-height: 75vh; object-fit: contain; }
#swap { align-self: center; min-height: 44px; width: auto; padding: 0 24px; }
.gradio-container .label-wrap { min-height: 44px; align-items: center; }
#face-style { display: contents; }
#fuse { min-height: 56px; font-size: 1.2rem; }
#cancel { min-height: 56px; }
#notes { margin-top: 24px; font-size: 0.95rem; }
#host { gap: 20px; } #host > * { flex: 0 0 auto; width: auto; min-width: 0; padding: 0; }
#host a { display: inline-flex; align-items: center; min-height: 44px; }
.gradio-container :focus-visible { outline: 3px solid var(--primary-500) !important; outline-offset: 2px; }
/* Everything that is pressed is large enough for a thumb. */
.gradio-container button, .gradio-container .wrap > label, .gradio-container summary { min-height: 44px; }
.gradio-container .icon-button-wrapper button, .gradio-container .icon-button, .gradio-container .source-selection button,
.gradio-container [aria-label="Remove Image"], .gradio-container button.reset-button { min-width: 44px; min-height: 44px; }
.gradio-container input[type="range"] { min-height: 44px; }
.gradio-container input[type="number"] { min-height: 44px; }
.gradio-container .tab-like-container { height: auto; }
.select-all-label { min-width: 44px; min-height: 44px; display: inline-flex; align-items: center; justify-content: center; }
#consent .wrap { flex-direction: column; }
#consent .wrap label { width: 100%; white-space: normal; }
#tier .wrap label { flex: 1 1 130px; justify-content: center; }
#faces label, #other-faces label { display: inline-flex; flex-wrap: wrap; align-items: center; gap: 8px; padding: 8px; }
#faces label::before, #other-faces label::before { content: ""; flex-basis: 96px; border-radius: 8px;
  background-size: cover; background-color: var(--border-color-primary); }
.notice { margin: 0; padding: 10px 14px; border-radius: 8px; border-left: 4px solid var(--tone);
  background: color-mix(in srgb, var(--tone) 13%, transparent); color: var(--body-text-color); --tone: #dc2626; }
.notice.doubt { --tone: #d97706; }
.notice.fine { --tone: #059669; }
.report h3 { margin: 0 0 10px; font-size: 1.15rem; }
.report p { margin: 12px 0 16px; }
.report .meter { height: 10px; border-radius: 5px; background: var(--border-color-primary); overflow: hidden; }
.report .meter span, .times .bar { display: block; height: 100%; border-radius: 5px; background: var(--primary-500); }
.times summary { cursor: pointer; padding: 10px 0; }
.times caption { text-align: left; padding-bottom: 4px; font-size: 0.9rem; }
.times table { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
.times table, .times table *, .times table th, .times table td { border: none; padding: 4px 0; font-weight: normal;
  text-align: left; }
.times table td { width: 30%; padding-left: 8px; }
.times table td:last-child { width: 4.5em; text-align: right; white-space: nowrap; }
.times .bar { height: 8px; min-width: 2px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(122px, 1fr)); gap: 12px; }
.tiles.large { grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); }
.tiles figure { margin: 0; }
.tiles img { width: 100%; height: auto; border-radius: 10px; display: block; }
.tiles figcaption { padding-top: 6px; font-size: 0.92rem; color: var(--body-text-color); }
.example { min-height: 108px; background-repeat: no-repeat; background-position: center 8px; background-size: auto 64px;
  padding-top: 78px !important; }
@media (max-width: 640px) { #source-photo, #target-photo { height: 250px; } #lead h1 { font-size: min(1.6rem, 6.4vw); } }
"""
# Accessible names of the upload areas: Gradio gives every area the same name, and rebuilds the area
# whenever a photo is added or removed.
_UPLOADS: Final = {
    "source-photo": "source",
    "second-photo": "source2",
    "third-photo": "source3",
    "target-photo": "target",
    "other-photo": "other",
}
_CHOICES: Final = {"tier": "quality", "view": "view"}
_NAMES: Final = json.dumps(
    {
        language.value: {
            **{place: texts[key] for place, key in {**_UPLOADS, **_CHOICES}.items()},
            "consent-all": texts["consent.all"],
        }
        for language, texts in ((language, TEXTS[language]) for language in Language)
    }
)
HEAD: Final = (
    # Gradio's style rules do not reach the footer; on a phone it shows a separator alone.
    "<style>@media (max-width: 640px) { footer .divider { display: none !important; } }</style>"
    f"<script>const accessibleNames = {_NAMES};"
    """
const setAccessibleNames = () => {
  const names = accessibleNames[document.documentElement.lang.startsWith("zh") ? "zh" : "en"];
  const set = (e, name, value) => { if (e.getAttribute(name) !== value) e.setAttribute(name, value); };
  Object.entries(names).forEach(([id, name]) => {
    const block = document.getElementById(id);
    if (!block) return;
    set(block, "role", block.querySelector("input[type=radio]") ? "radiogroup" : "group");
    set(block, "aria-label", name);
    block.querySelectorAll("button[aria-dropeffect]").forEach((e) => {
      set(e, "aria-label", `${name}: ${e.innerText.replace(/\\s+/g, " ").trim()}`);
    });
    block.querySelectorAll("input[type=file]").forEach((e) => set(e, "aria-label", name));
  });
  document.querySelectorAll(".select-all-checkbox").forEach((e) => {
    set(e, "title", names["consent-all"]);
    set(e, "aria-label", names["consent-all"]);
  });
};
new MutationObserver(setAccessibleNames).observe(document, { childList: true, subtree: true });
// Brings what has just appeared into view: on a phone it is below the button, or above it.
const reveal = () => setTimeout(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const problem = document.querySelector(".notice.problem");
  const shown = problem ?? document.getElementById("outcome");
  shown?.scrollIntoView({ block: problem ? "center" : "nearest", behavior: calm ? "auto" : "smooth" });
}, 200);
</script>
"""
)

#: JavaScript for listeners, defined in `HEAD`.
REVEAL: Final = "() => reveal()"
#: Exchanges two values in the browser, without a request to the server.
EXCHANGE: Final = "(one, other) => [other, one]"
#: Removes the faces just chosen for one person from the other person's choice.
TAKE_FROM_OTHER: Final = "(chosen, others) => [others.filter((n) => !chosen.includes(n))]"
#: Scrolls back to the photos.
TO_TOP: Final = "() => document.getElementById('photos').scrollIntoView({ block: 'start' })"
