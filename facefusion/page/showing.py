"""Shows an example with one press: its photos and, without a face of the visitor, its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import gradio as gr

from facefusion.images.marking import mark_box, marked
from facefusion.images.reading import read_photo
from facefusion.page import files, html
from facefusion.page.examples import Example
from facefusion.page.layout import Changes, Layout
from facefusion.page.messages import mark_text, request_language
from facefusion.page.photos import Photos, Raw


class Showing:
    """Listeners of the examples.

    Args:
        layout: the components.
        photos: knows which uploads are examples, and where results are kept.
    """

    def __init__(self, layout: Layout, photos: Photos) -> None:
        self.layout, self.photos = layout, photos

    def shower(self, example: Example) -> Callable[[Raw | None, gr.Request], Changes]:
        """Makes the listener of an example's button."""
        target = self.layout.photos.target.field.photo

        def show(own: Raw | None, request: gr.Request) -> Changes:
            changes: Changes = {target: str(example.target)}
            if own and not self.photos.are_examples([own]):
                return changes
            if example.result is not None:
                outcome = self.layout.outcome
                changes[outcome.made] = self._made(example, request)
                changes[outcome.done] = ""
                changes[outcome.details] = gr.update(visible=False)
            return changes

        return show

    def _made(self, example: Example, request: gr.Request) -> str:
        """Marks the result in the visitor's language, and describes it for the view."""
        result = read_photo(example.result or example.target, "target")
        text = mark_text(request_language(request))
        image = marked(result, text, in_place=True)
        path = files.write(image, self.photos.results(request), ".jpg")
        size, name = (result.shape[1], result.shape[0]), example.target.name
        made = html.Made("result", name, size, 50.0, str(example.target), path)
        made = replace(made, face=str(example.face), seconds=files.kept_seconds())
        return html.made(replace(made, mark=mark_box(result.shape[:2], text)))
