"""Finds weights by Hugging Face Hub repository: embedded, in the Hub's cache, or downloaded.

A revision is always 40 hex digits, since a branch can change. No file is loaded before its SHA-256
has been compared with the manifest's. If anything fails, the embedded weights are used and
`Found.notice` gives the reason.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from facefusion.errors import WeightsError
from facefusion.models.hub_errors import HubError, call_within
from facefusion.models.hub_name import HubName, is_repository
from facefusion.models.manifest import EMBEDDED_WEIGHTS, WeightFile, parse_manifest, read_manifest

MANIFEST: Final = "manifest.json"
#: File beside the embedded weights with the commit that they were published as, which then needs no
#: download.
PUBLISHED: Final = "published.json"
#: Environment variables with the defaults of repository, revision and total time limit.
REPO_VARIABLE: Final = "FACEFUSION_HUB_REPO"
REVISION_VARIABLE: Final = "FACEFUSION_HUB_REVISION"
SECONDS_VARIABLE: Final = "FACEFUSION_HUB_SECONDS"
#: Time limit in seconds of connecting to the Hub, which delays a start without a network.
CONNECT_SECONDS: Final = 1.0
#: Time limit in seconds of the Hub's first answer.
ANSWER_SECONDS: Final = 3.0
#: Default time limit in seconds of a whole download.
TOTAL_SECONDS: Final = 60.0
#: Bytes of a download's chunks: the library's default of 10 MB is larger than one of our networks,
#: so that an interrupted download could not be resumed.
CHUNK: Final = 1 << 18

log = logging.getLogger("facefusion.models.hub")


@dataclass(frozen=True)
class Found:
    """The networks to open.

    Attributes:
        files: verified files by the names of `networks.NETWORKS`.
        name: repository of the files, or None.
        notice: message for the page if other weights were requested, or None.
    """

    files: dict[str, WeightFile]
    name: HubName | None = None
    notice: str | None = None


@dataclass(frozen=True)
class Hub:
    """Access to the Hub, by default with the settings of huggingface_hub and its `HF_` variables.

    Attributes:
        endpoint: address of the Hub.
        cache: directory of the Hub's cache.
        connect, answer, total: time limits in seconds (`CONNECT_SECONDS`).
        embedded: directory of the embedded weights, the fallback.
    """

    endpoint: str | None = None
    cache: Path | None = None
    connect: float = CONNECT_SECONDS
    answer: float = ANSWER_SECONDS
    total: float = field(default_factory=lambda: _seconds(os.environ.get(SECONDS_VARIABLE)))
    embedded: Path = EMBEDDED_WEIGHTS

    def fetch(self, name: HubName) -> dict[str, WeightFile]:
        """Returns the networks of a repository, each from the nearest place with the same file.

        Raises:
            HubError: a file is unavailable; damaged files are deleted.
        """
        if self._is_embedded(name):
            return read_manifest(self.embedded)
        manifest = self._manifest(name)
        embedded_files = parse_manifest(self.embedded / MANIFEST).values()
        own = {file.sha256: file for file in embedded_files}
        files: dict[str, WeightFile] = {}
        missing: dict[str, WeightFile] = {}
        for network, file in manifest.items():
            local, cached = own.get(file.sha256), self.cached(name, file.path.name)
            if local is not None and _is_whole(local):
                files[network] = replace(file, path=local.path)
            elif cached is not None and _whole_or_deleted(replace(file, path=cached)):
                files[network] = replace(file, path=cached)
            else:
                missing[network] = file
        if missing:
            names = [file.path.name for file in missing.values()]
            paths = call_within(self.total, lambda: [self.download(name, each) for each in names])
            files |= {
                n: replace(f, path=path)
                for (n, f), path in zip(missing.items(), paths, strict=True)
            }
            bad = [files[n].path.name for n in missing if not _whole_or_deleted(files[n])]
            if bad:
                raise HubError(
                    f"{', '.join(bad)} arrived damaged and {'was' if len(bad) == 1 else 'were'} deleted"
                )
        return files

    def _is_embedded(self, name: HubName) -> bool:
        """Returns whether `PUBLISHED` names this commit for the embedded weights."""
        try:
            note = json.loads((self.embedded / PUBLISHED).read_text(encoding="utf-8"))
            manifest = hashlib.sha256((self.embedded / MANIFEST).read_bytes()).hexdigest()
        except (OSError, ValueError):
            return False
        return bool(note == published_note(name, manifest))

    def _manifest(self, name: HubName) -> dict[str, WeightFile]:
        path = self.cached(name, MANIFEST)
        if path is not None:
            try:
                return parse_manifest(path)
            except WeightsError:
                delete_cached(path)  # it may be damaged on this disk alone: it is downloaded again
        call_within(self.answer, lambda: self._contact(name))
        path = call_within(self.total, lambda: self.download(name, MANIFEST))
        try:
            return parse_manifest(path)
        except WeightsError as error:
            delete_cached(path)
            raise HubError(f"its {MANIFEST} was deleted ({error})") from error

    def cached(self, name: HubName, file: str) -> Path | None:
        """Returns a file in the Hub's cache, or None, without network access."""
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(name.repo, file, cache_dir=self.cache, revision=name.revision)
        return Path(path) if isinstance(path, str) else None

    def snapshot(self, name: HubName) -> Path:
        """Returns the directory of a repository in the cache, which need not exist."""
        from huggingface_hub import constants

        cache = Path(self.cache or constants.HF_HUB_CACHE)
        return cache / f"models--{name.repo.replace('/', '--')}" / "snapshots" / name.revision

    def download(self, name: HubName, file: str) -> Path:
        """Downloads a file into the Hub's cache, with a progress bar; resumes a broken download.

        Raises:
            Exception: any exception of huggingface_hub (`hub_errors.reason`).
        """
        from huggingface_hub import constants, hf_hub_download

        constants.DOWNLOAD_CHUNK_SIZE = CHUNK
        return Path(
            hf_hub_download(
                name.repo,
                file,
                revision=name.revision,
                cache_dir=self.cache,
                endpoint=self.endpoint,
            )
        )

    def _contact(self, name: HubName) -> None:
        """Requests the manifest's metadata once: `hf_hub_download` retries for 23 s if offline."""
        import httpx2
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(name.repo, MANIFEST, revision=name.revision, endpoint=self.endpoint)
        limits: Any = httpx2.Timeout(self.answer, connect=self.connect)
        get_hf_file_metadata(url, timeout=limits, endpoint=self.endpoint)


def resolve(
    weights: str | Path | None, revision: str | None = None, hub: Hub | None = None
) -> Found:
    """Finds the networks.

    Args:
        weights: a directory, a Hub repository (`HubName.parse`), or None for the repository of the
            environment, or else the embedded weights.
        revision: the repository's commit.
        hub: access to the Hub.

    Raises:
        WeightsError: a directory's files are missing or damaged, or `weights` is no valid name. An
            unavailable repository, or an invalid name in the environment, raises nothing: the
            embedded weights are used, with a notice.
    """
    hub = Hub() if hub is None else hub
    if weights is None and (asked := os.environ.get(REPO_VARIABLE)):
        try:
            name = HubName.parse(asked, revision or os.environ.get(REVISION_VARIABLE))
        except WeightsError as error:
            return embedded(asked, str(error).rstrip("."), hub)
        return _fetched(name, hub)
    if weights is None:
        return Found(read_manifest(hub.embedded))
    if (
        isinstance(weights, Path)
        or Path(weights).is_dir()
        or not is_repository(weights.partition("@")[0])
    ):
        return Found(read_manifest(Path(weights)))
    return _fetched(HubName.parse(weights, revision), hub)


def _fetched(name: HubName, hub: Hub) -> Found:
    try:
        return Found(hub.fetch(name), name)
    except HubError as error:
        return embedded(name, str(error), hub)


def published_note(name: HubName, manifest: str) -> dict[str, str]:
    """Returns the content of `PUBLISHED` for a repository and the manifest's SHA-256."""
    return {"repo": name.repo, "revision": name.revision, "manifest": manifest}


def embedded(name: HubName | str, why: str, hub: Hub | None = None) -> Found:
    """Returns the embedded weights, with a notice that they replace others."""
    notice = f"The networks {name} from the Hugging Face Hub could not be used: {why}. The built-in ones serve instead."
    log.warning("%s", notice)
    return Found(read_manifest((hub or Hub()).embedded), notice=notice)


def _is_whole(file: WeightFile) -> bool:
    try:
        return file.is_whole()
    except OSError:
        return False


def _whole_or_deleted(file: WeightFile) -> bool:
    if _is_whole(file):
        return True
    delete_cached(file.path)
    return False


def delete_cached(path: Path) -> None:
    """Deletes a file of the Hub's cache: the link in the snapshot and the file behind it."""
    for each in {path.resolve(), path}:
        each.unlink(missing_ok=True)


def _seconds(words: str | None) -> float:
    try:
        return max(float(words), 0.1) if words else TOTAL_SECONDS
    except ValueError:
        log.warning(
            "%s must be a number of seconds, not %r; it is taken for %g.",
            SECONDS_VARIABLE,
            words,
            TOTAL_SECONDS,
        )
        return TOTAL_SECONDS
