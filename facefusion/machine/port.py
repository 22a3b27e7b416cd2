"""Keeps a port that is no number from Gradio, which would end with a traceback when imported.

It is moved to the variable `PORT`, which the page reads next, and refuses with a sentence.
"""

from __future__ import annotations

import os
from typing import Final

#: Variable that Gradio reads as a number when it is imported.
VARIABLE: Final = "GRADIO_SERVER_PORT"


def hide_bad_port() -> None:
    """Moves a value of the variable that is no number."""
    given = os.environ.get(VARIABLE, "0")
    if not (given.isascii() and given.isdigit()):
        del os.environ[VARIABLE]
        os.environ["PORT"] = given or os.environ.get("PORT", "")


hide_bad_port()
