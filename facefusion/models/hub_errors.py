"""Translates errors of the Hugging Face Hub into plain messages."""

from __future__ import annotations


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
