"""Time limit of calls to the Hugging Face Hub, and plain messages for their errors."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")


class HubError(Exception):
    """An unavailable repository; its message ends the sentence "... could not be used: ..."."""


def reason(error: BaseException) -> str:
    """Returns a plain message for an error of huggingface_hub."""
    import httpx2
    from huggingface_hub import errors

    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return "the repository lacks a file that its manifest names, or the manifest itself"
    if isinstance(error, errors.GatedRepoError):
        return "its owner lets in only those who ask, and the token in HF_TOKEN is not of one"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "there is no such repository, or it is private and HF_TOKEN holds no token that opens it"
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        known = {
            401: "the Hub asks for a token in HF_TOKEN, or does not accept it",
            403: "HF_TOKEN does not allow it",
            429: "the Hub has too many requests",
        }
        return f"{known.get(status, 'the Hub has a fault')} (HTTP {status})"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set and the Hub's cache has not got them"
    if (
        isinstance(error, (errors.LocalEntryNotFoundError, RuntimeError))
        and error.__cause__ is not None
    ):
        return reason(error.__cause__)
    if isinstance(error, httpx2.TimeoutException):
        return "the Hub did not answer in time"
    if isinstance(error, (httpx2.TransportError, ConnectionError)):
        return "there is no connection to the Hub"
    if isinstance(error, OSError) and error.strerror:
        return f"they cannot be kept on this disk ({error.strerror})"
    return f"unexpected {type(error).__name__}"


def call_within(seconds: float, work: Callable[[], _T]) -> _T:
    """Runs `work` in a thread and abandons it after `seconds`.

    The time-outs of the network code apply to each packet, and none to resolving a host's address.
    An abandoned thread may still fill the cache for the next start.

    Raises:
        HubError: `work` failed or took longer.
    """
    answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((True, work()))
        except Exception as error:
            answers.put((False, error))

    threading.Thread(target=run, name="facefusion-hub", daemon=True).start()
    try:
        succeeded, answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise HubError(f"the Hub did not answer within {seconds:g} seconds") from None
    if not succeeded:
        raise answer if isinstance(answer, HubError) else HubError(reason(answer)) from answer
    value: _T = answer
    return value
