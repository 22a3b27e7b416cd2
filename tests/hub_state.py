"""State of the stand-in for the Hugging Face Hub, and its faults."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import Final

#: Names of the Hub's errors, by what is missing.
NAMES: Final = {
    "repo": "RepoNotFound",
    "revision": "RevisionNotFound",
    "file": "EntryNotFound",
    "gated": "GatedRepo",
}


@dataclass
class Fault:
    """Fault of the Hub.

    Attributes:
        status: HTTP status of every answer, or None.
        name: a key of `NAMES`, the error's name in its header.
        hang: no answer at all.
        cut: bytes after which a large file breaks off, once each; None for never.
        spoil: large files arrive with one byte changed.
        stall: large files stop after their first half, and the connection stays open.
    """

    status: int | None = None
    name: str = ""
    hang: bool = False
    cut: int | None = None
    spoil: bool = False
    stall: bool = False


@dataclass
class HubServer:
    """State of a running server.

    Attributes:
        url: of the server.
        repos: contents by repository, revision and file.
        newest: revision of the main branch by repository.
        fault: the fault of every answer.
        requests: method, path and range of every request.
        objects: contents of large files by SHA-256.
        variables: of all Spaces.
        cut_already: large files that broke off, by SHA-256.
        released: ends the answers that hang or stall.
    """

    url: str = ""
    repos: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    fault: Fault = field(default_factory=Fault)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    cut_already: set[str] = field(default_factory=set)
    released: threading.Event = field(default_factory=threading.Event)

    def add(self, repo: str, files: dict[str, bytes]) -> str:
        """Commits files and returns the revision."""
        digest = hashlib.sha1(
            repr(sorted((n, hashlib.sha256(c).hexdigest()) for n, c in files.items())).encode()
        )
        revision = digest.hexdigest()
        self.repos.setdefault(repo, {})[revision] = dict(files)
        self.newest[repo] = revision
        return revision

    def asked(self, method: str, part: str) -> list[tuple[str, str, str]]:
        """Returns the requests of a method whose path holds `part`."""
        return [request for request in self.requests if request[0] == method and part in request[1]]
