"""Describes failed fusions for the reports, one sentence each."""

from __future__ import annotations

from facefusion.errors import FusionError


class JudgeError(Exception):
    """A result cannot be judged; the message is a sentence for the report."""


def failure_sentence(error: Exception) -> str:
    """Formats an error on one line.

    The product's refusals and the judges' keep their own sentence. Any other error is a bug; it is
    reported with its class, so that it does not end a long run.
    """
    if isinstance(error, FusionError | JudgeError):
        return str(error)
    return " ".join(f"Unexpected {type(error).__name__}: {error}".split())
