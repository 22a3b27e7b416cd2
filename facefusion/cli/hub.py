"""`facefusion hub publish | pull | verify`: the weights in a repository of the Hugging Face Hub."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from facefusion.cli import space
from facefusion.cli.files import CommandError, whole_file
from facefusion.errors import WeightsError
from facefusion.models.hub import MANIFEST, PUBLISHED, Hub, published_note
from facefusion.models.hub_errors import HubError, reason
from facefusion.models.hub_name import HubName
from facefusion.models.manifest import EMBEDDED_WEIGHTS, WeightFile, parse_manifest, read_manifest
from facefusion.studio.insightface_models import ACCEPTED, FILES, TERMS, find_models

ROOT: Final = EMBEDDED_WEIGHTS.parent
CARD: Final = "MODEL_CARD.md"
#: Further files of a repository that are published where they exist, by their names there.
FURTHER_FILES: Final = {
    "LICENSE": ROOT / "LICENSE",
    "use_onnx.py": ROOT / "examples" / "use_onnx.py",
}


def add_parser(commands: Any) -> None:
    """Adds the command to argparse's sub-parsers."""
    parser = commands.add_parser(
        "hub",
        help="weights on the Hugging Face Hub",
        description="Weights on the Hugging Face Hub.",
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    _add_publish(verbs)
    _add_pull(verbs)
    _add_verify(verbs)
    _add_models(verbs)
    space.add_parser(verbs)


def _add_publish(verbs: Any) -> None:
    publish = verbs.add_parser(
        "publish", help="make a repository, or a new commit of it; HF_TOKEN must allow it"
    )
    publish.add_argument("repo", metavar="owner/repo")
    publish.add_argument(
        "--weights", type=Path, default=EMBEDDED_WEIGHTS, metavar="DIR", help="default: embedded"
    )
    publish.add_argument(
        "--checkpoints", type=Path, default=ROOT / "checkpoints", metavar="DIR", help="safetensors"
    )
    publish.add_argument(
        "--private", action="store_true", help="a new repository is seen only by its owner"
    )
    publish.set_defaults(run=run_publish)


def _add_pull(verbs: Any) -> None:
    pull = verbs.add_parser(
        "pull", help="fetch into the Hub's cache, so that a start needs no network"
    )
    pull.add_argument(
        "repo",
        metavar="owner/repo[@REVISION]",
        help="REVISION is 40 hex digits (default: the newest)",
    )
    pull.add_argument("--out", type=Path, metavar="DIR", help="also copy the files to a directory")
    pull.set_defaults(run=run_pull)


def _add_verify(verbs: Any) -> None:
    verify = verbs.add_parser(
        "verify", help="check every file against the manifest's SHA-256; no network"
    )
    verify.add_argument(
        "weights", nargs="?", metavar="DIR|owner/repo@REVISION", help="default: embedded"
    )
    verify.set_defaults(run=run_verify)


def _add_models(verbs: Any) -> None:
    models = verbs.add_parser(
        "models", help="fetch insightface's models from a repository; shows their licence first"
    )
    models.add_argument(
        "repo",
        metavar="owner/repo@REVISION",
        help="a repository that holds them under their own names",
    )
    models.add_argument("--accept-licence", metavar="WORD", default="")
    models.set_defaults(run=run_models)


def contents(weights: Path, checkpoints: Path) -> Iterator[tuple[str, Path]]:
    """Yields names of the files in a repository, and the files here.

    Raises:
        WeightsError: a file is missing or damaged.
        CommandError: the weights have no model card.
    """
    files = read_manifest(weights)
    if not (weights / CARD).is_file():
        raise CommandError(
            f"There is no {weights / CARD}, which becomes the repository's README.md."
        )
    yield "README.md", weights / CARD
    yield MANIFEST, weights / MANIFEST
    yield from ((file.path.name, file.path) for file in files.values())
    yield from (
        (f"safetensors/{path.name}", path) for path in sorted(checkpoints.glob("*.safetensors"))
    )
    yield from ((name, path) for name, path in FURTHER_FILES.items() if path.is_file())


def run_publish(args: argparse.Namespace) -> int:
    """Makes one commit of the whole repository, and writes its name beside the weights.

    Raises:
        CommandError, WeightsError: see their messages.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    HubName.parse(args.repo, "0" * 40)
    files = list(contents(args.weights, args.checkpoints))
    api = HfApi(endpoint=Hub().endpoint)
    try:
        api.create_repo(args.repo, private=args.private or None, exist_ok=True)
        operations = [CommitOperationAdd(name, path) for name, path in files]
        commit = api.create_commit(args.repo, operations, commit_message="Weights")
    except Exception as error:
        raise CommandError(f"{args.repo} was not published: {reason(error)}.") from error
    name = HubName(args.repo, commit.oid)
    note = published_note(name, hashlib.sha256((args.weights / MANIFEST).read_bytes()).hexdigest())
    with whole_file(args.weights / PUBLISHED) as unfinished:
        unfinished.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    print(f"{len(files)} files published; noted in {args.weights / PUBLISHED}")
    print(_variables(name))
    return 0


def run_pull(args: argparse.Namespace) -> int:
    """Fetches and checks a repository's networks; the embedded ones do not replace them.

    Raises:
        CommandError, WeightsError: see their messages.
    """
    hub = Hub()
    try:
        name = HubName.parse(args.repo) if "@" in args.repo else _newest(args.repo, hub)
        files = hub.fetch(name)
        manifest = hub.cached(name, MANIFEST) or hub.embedded / MANIFEST
    except HubError as error:
        raise CommandError(f"{args.repo} could not be fetched: {error}.") from error
    for file in files.values():
        print(f"{file.path}: whole")
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        for path in (manifest, *(file.path for file in files.values())):
            with whole_file(args.out / path.name) as unfinished:
                shutil.copyfile(path, unfinished)
    print(_variables(name))
    return 0


def run_models(args: argparse.Namespace) -> int:
    """Fetches insightface's models, once their licence is accepted.

    Raises:
        CommandError, WeightsError: see their messages.
    """
    from huggingface_hub import snapshot_download

    name, hub = HubName.parse(args.repo), Hub()
    print(TERMS)
    if args.accept_licence != ACCEPTED:
        raise CommandError("Nothing was fetched: the licence is not accepted.")
    wanted = [pattern for file in FILES for pattern in (file, f"**/{file}")]
    try:
        snapshot_download(
            name.repo,
            revision=name.revision,
            allow_patterns=wanted,
            cache_dir=hub.cache,
            endpoint=hub.endpoint,
        )
    except Exception as error:
        raise CommandError(f"{name} could not be fetched: {reason(error)}.") from error
    found = find_models(args.repo, hub)
    print("\n".join(str(path) for path in (found.detector, found.arcface, found.swapper) if path))
    return 0


def _newest(repo: str, hub: Hub) -> HubName:
    from huggingface_hub import HfApi

    HubName.parse(repo, "0" * 40)
    try:
        found = HfApi(endpoint=hub.endpoint).model_info(repo, timeout=hub.answer)
    except Exception as error:
        raise HubError(reason(error)) from error
    return HubName.parse(repo, found.sha)


def run_verify(args: argparse.Namespace) -> int:
    """Checks a directory, or what the Hub's cache has of a repository.

    Raises:
        WeightsError: see its message; every file that is not whole is named.
    """
    files = _cached(HubName.parse(args.weights)) if "@" in (args.weights or "") else None
    if files is None:
        files = parse_manifest(Path(args.weights or EMBEDDED_WEIGHTS) / MANIFEST)
    damaged = []
    for file in files.values():
        found = file.path.is_file()
        whole = found and file.is_whole()
        print(f"{file.path.name}: {'whole' if whole else 'damaged' if found else 'missing'}")
        damaged += [] if whole else [file.path.name]
    if damaged:
        raise WeightsError(f"Not whole: {', '.join(damaged)}.")
    return 0


def _cached(name: HubName) -> dict[str, WeightFile]:
    manifest = Hub().cached(name, MANIFEST)
    if manifest is None:
        raise WeightsError(
            f"The Hub's cache has nothing of {name}; `python -m facefusion hub pull` fetches it."
        )
    return parse_manifest(manifest)


def _variables(name: HubName) -> str:
    return f"FACEFUSION_HUB_REPO={name.repo} FACEFUSION_HUB_REVISION={name.revision}"
