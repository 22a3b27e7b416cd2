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
    "LICENSE", "app.py", "requirements.txt", "packages.txt", "examples/*.csv", "examples/*.jpg", "examples/*.png",
    "examples/ready/**/*", "weights/*", "facefusion/**/*",
)  # fmt: skip
#: What a Space with ZeroGPU needs besides, where torch runs the refine network.
ZERO_GPU_CONTENTS: Final = ("checkpoints/refine.safetensors",)
#: A Space's README.md: its front matter, which the builder of Spaces reads, and its text, which
#: leads only to files of the Space.
FRONT_MATTER: Final = ROOT / "space.yml"
README: Final = ROOT / "space.md"
#: Folders that a Space does not need, and those that it needs for ZeroGPU alone.
LEFT_OUT: Final = frozenset(("training", "evaluation", "export", "__pycache__"))
ZERO_GPU_FOLDERS: Final = frozenset(("nets",))
#: The page's picture for link previews.
THUMBNAIL: Final = "facefusion/page/assets/preview.jpg"


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
    parser.add_argument(
        "--zero-gpu", action="store_true", help="for ZeroGPU: with torch, which nothing else needs"
    )
    parser.set_defaults(run=run)


def build_tree(
    folder: Path,
    repo: str | None = None,
    weights: HubName | None = None,
    *,
    zero_gpu: bool = False,
) -> Path:
    """Copies what a Space receives.

    Args:
        folder: a directory that does not exist yet.
        repo: `owner/name` of the Space, for its thumbnail.
        weights: a repository whose files the builder of Spaces puts into the Hub's cache.
        zero_gpu: whether torch is installed, and a GPU asked for.

    Returns:
        The directory.

    Raises:
        WeightsError: the embedded weights are not whole.
        CommandError: the directory exists.
    """
    files = read_manifest(EMBEDDED_WEIGHTS)
    if folder.exists():
        raise CommandError(f"{folder} exists already.")
    left_out = LEFT_OUT if zero_gpu else LEFT_OUT | ZERO_GPU_FOLDERS
    for pattern in (*CONTENTS, *(ZERO_GPU_CONTENTS if zero_gpu else ())):
        for path in ROOT.glob(pattern):
            place = path.relative_to(ROOT)
            if path.is_file() and not left_out & set(place.parts):
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / place)
    if not zero_gpu:
        _leave_torch_out(folder / "requirements.txt")
    changes: dict[str, Any] = {"suggested_hardware": "zero-a10g"} if zero_gpu else {}
    if repo is not None:
        changes["thumbnail"] = f"https://huggingface.co/spaces/{repo}/resolve/main/{THUMBNAIL}"
    if weights is not None:
        names = ",".join([MANIFEST, *(file.path.name for file in files.values())])
        changes["models"] = [weights.repo]
        changes["preload_from_hub"] = [f"{weights.repo} {names} {weights.revision}"]
    _write_readme(folder / "README.md", changes)
    return folder


def _leave_torch_out(requirements: Path) -> None:
    """Removes torch, which is larger than all the rest, and the remark about it."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("torch", "#"))]
    requirements.write_text("\n".join(kept) + "\n", encoding="utf-8", newline="\n")


def _write_readme(readme: Path, changes: dict[str, Any]) -> None:
    """Writes the front matter, with `changes`, and the text."""
    from huggingface_hub import metadata_load
    from huggingface_hub.repocard import metadata_save

    front_matter, text = (path.read_text(encoding="utf-8") for path in (FRONT_MATTER, README))
    readme.write_text(f"---\n{front_matter}---\n\n{text}", encoding="utf-8", newline="\n")
    metadata_save(readme, (metadata_load(readme) or {}) | changes)


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
        folder = args.out or Path(temporary, "space")
        tree = build_tree(folder, args.repo, weights, zero_gpu=args.zero_gpu)
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
