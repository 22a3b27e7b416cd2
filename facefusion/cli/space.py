"""`facefusion hub space`: the tree that a Hugging Face Space receives, in a directory or uploaded."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from facefusion.cli.files import CommandError
from facefusion.models.hub import MANIFEST, REPO_VARIABLE, REVISION_VARIABLE, Hub
from facefusion.models.hub_errors import reason
from facefusion.models.hub_name import HubName
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest

ROOT: Final = EMBEDDED_WEIGHTS.parent
#: Patterns below the root of the files that a Space needs: the page, what it imports, and what the
#: builder of Spaces reads.
CONTENTS: Final = (
    "README.md", "LICENSE", "app.py", "requirements.txt", "packages.txt", "docs/*", "examples/**/*", "weights/*",
    "checkpoints/refine.safetensors", "facefusion/**/*",
)  # fmt: skip
#: Front matter of a Space's README.md, which the builder of Spaces reads; the repository's has
#: none.
FRONT_MATTER: Final = ROOT / "space.yml"
#: Folders that a Space does not need.
LEFT_OUT: Final = ("training", "evaluation", "export", "__pycache__")


def add_parser(verbs: Any) -> None:
    """Adds the verb to the parser of `facefusion hub`."""
    parser = verbs.add_parser(
        "space", help="build the tree of a Space, or make the Space; HF_TOKEN must allow it"
    )
    parser.add_argument(
        "repo", nargs="?", metavar="owner/name", help="the Space; without it the tree is only built"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="directory to build it in, a new one"
    )
    parser.add_argument(
        "--weights",
        metavar="owner/repo@REVISION",
        help="weights that the Space fetches while it is built",
    )
    parser.set_defaults(run=run)


def build_tree(folder: Path, repo: str | None = None, weights: HubName | None = None) -> Path:
    """Copies what a Space receives.

    Args:
        folder: a directory that does not exist yet.
        repo: `owner/name` of the Space, for its thumbnail.
        weights: a repository whose files the builder of Spaces puts into the Hub's cache.

    Returns:
        The directory.

    Raises:
        WeightsError: the embedded weights are not whole.
        CommandError: the directory exists.
    """
    from huggingface_hub import metadata_load
    from huggingface_hub.repocard import metadata_save

    files = read_manifest(EMBEDDED_WEIGHTS)
    if folder.exists():
        raise CommandError(f"{folder} exists already.")
    for pattern in CONTENTS:
        for path in ROOT.glob(pattern):
            place = path.relative_to(ROOT)
            if path.is_file() and not set(LEFT_OUT) & set(place.parts):
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / place)
    readme = folder / "README.md"
    front_matter = FRONT_MATTER.read_text(encoding="utf-8")
    text = f"---\n{front_matter}---\n\n{readme.read_text(encoding='utf-8')}"
    readme.write_text(text, encoding="utf-8", newline="\n")
    card = metadata_load(readme) or {}
    if repo is not None:
        card["thumbnail"] = f"https://huggingface.co/spaces/{repo}/resolve/main/docs/examples.jpg"
    if weights is not None:
        names = ",".join([MANIFEST, *(file.path.name for file in files.values())])
        card["models"] = [weights.repo]
        card["preload_from_hub"] = [f"{weights.repo} {names} {weights.revision}"]
    metadata_save(readme, card)
    return folder


def run(args: argparse.Namespace) -> int:
    """Builds the tree and, where a Space is named, uploads it as one commit.

    Raises:
        CommandError, WeightsError: see their messages.
    """
    from huggingface_hub import HfApi

    if args.repo is None and args.out is None:
        raise CommandError("Name a Space, owner/name, or a directory with --out.")
    if args.repo is not None:
        HubName.parse(args.repo, "0" * 40)
    weights = HubName.parse(args.weights) if args.weights else None
    with tempfile.TemporaryDirectory() as temporary:
        tree = build_tree(args.out or Path(temporary, "space"), args.repo, weights)
        files = [path for path in tree.rglob("*") if path.is_file()]
        print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB")
        if args.repo is None:
            return 0
        api = HfApi(endpoint=Hub().endpoint)
        try:
            api.create_repo(args.repo, repo_type="space", space_sdk="gradio", exist_ok=True)
            if weights is not None:
                api.add_space_variable(args.repo, REPO_VARIABLE, weights.repo)
                api.add_space_variable(args.repo, REVISION_VARIABLE, weights.revision)
            # Not a push with git: the Hub takes large and binary files this way only.
            commit = api.upload_folder(
                repo_id=args.repo, folder_path=tree, repo_type="space", commit_message="FaceFusion"
            )
        except Exception as error:
            raise CommandError(f"The Space {args.repo} was not made: {reason(error)}.") from error
    print(commit.commit_url)
    return 0
