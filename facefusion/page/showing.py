"""Shows an example with one press: its photos and, without a face of the visitor, its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import gradio as gr

from facefusion.images.marking import mark_box, marked
from facefusion.images.reading import read_photo
from facefusion.images.saving import save
from facefusion.page import files, html
from facefusion.page.examples import MAX_EXAMPLES, Example
from facefusion.page.layout import Changes, Layout
from facefusion.page.messages import mark_text, request_language
from facefusion.page.photos import Photos, Raw
from facefusion.words import Language


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
        text = mark_text(request_language(request))
        content, (height, width) = _marked(example.result or example.target, text)
        path = files.write_encoded(content, self.photos.results(request))
        name, before = example.target.name, str(example.target)
        made = html.Made("result", name, (width, height), 50.0, before, path)
        made = replace(made, face=str(example.face), seconds=files.kept_seconds())
        return html.made(replace(made, mark=mark_box((height, width), text)))


@lru_cache(maxsize=MAX_EXAMPLES * len(Language))
def _marked(path: Path, text: str) -> tuple[bytes, tuple[int, int]]:
    """Encodes a result with its visible mark as JPEG, and returns its height and width too.

    The results of the examples never change: each is read once for every language.
    """
    image = marked(read_photo(path, "target"), text, in_place=True)
    file = BytesIO()
    save(image, file, ".jpg")
    return file.getvalue(), (image.shape[0], image.shape[1])
