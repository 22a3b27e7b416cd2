"""Names of repositories on the Hugging Face Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from facefusion.errors import WeightsError

_REPO: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_REVISION: Final = re.compile(r"[0-9a-f]{40}")


def is_repository(words: str) -> bool:
    """Returns whether `words` have the form `owner/repo`."""
    return _REPO.fullmatch(words) is not None


@dataclass(frozen=True)
class HubName:
    """A repository, `owner/repo`, at one commit, 40 hex digits."""

    repo: str
    revision: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision[:7]}"

    @classmethod
    def parse(cls, words: str, revision: str | None = None) -> HubName:
        """Parses `owner/repo` with a separate revision, or `owner/repo@revision`.

        Raises:
            WeightsError: the form is another one, or the revision is not 40 hex digits.
        """
        repo, _, within = words.partition("@")
        revision = revision or within
        if not is_repository(repo):
            raise WeightsError(
                f"{repo} is neither a directory nor a Hub repository, which is called owner/repo."
            )
        if not _REVISION.fullmatch(revision):
            raise WeightsError(
                f"There is no directory {repo}. As a Hub repository it needs a revision of 40 hex digits: "
                f"`python -m facefusion hub pull {repo}` prints the newest."
            )
        return cls(repo, revision)
