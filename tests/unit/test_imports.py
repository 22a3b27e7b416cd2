"""Which part of the package may import which, and what is loaded when."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: By folder or top-level file, what it imports of the package; `facefusion` is its `__init__.py`.
MAY_IMPORT: dict[str, set[str]] = {
    "version": set(),
    "words": set(),
    "tiers": set(),
    "types": {"tiers"},
    "errors": {"words"},
    # Served: from the tools to the method, and to the page and the command line.
    "machine": {"version"},
    "geometry": {"types"},
    "decoding": {"errors", "types"},
    "images": {"decoding", "errors", "geometry", "types"},
    "models": {"errors"},
    "engines": {"errors", "machine", "models", "nets", "types"},
    "perception": {"engines", "errors", "geometry", "images", "types"},
    "fusion": {"engines", "geometry", "types"},
    "auto": {"fusion", "machine", "tiers"},
    "compose": {"fusion", "geometry", "types"},
    "studio": {"compose", "engines", "errors", "geometry", "models", "perception", "types"},
    "pipeline": {
        "auto", "compose", "engines", "errors", "fusion", "geometry", "images", "machine", "models", "perception", "studio",
        "tiers", "types",
    },
    "facefusion": {"errors", "machine", "pipeline", "tiers", "types", "version"},
    "page": {
        "auto", "decoding", "errors", "facefusion", "geometry", "images", "machine", "perception", "pipeline", "tiers",
        "types", "words",
    },
    "app": {"decoding", "errors", "facefusion", "machine", "page"},
    # Not served: the command line imports these only inside of the commands that need them.
    "nets": set(),
    "evaluation": {"engines", "errors", "geometry", "images", "perception", "pipeline", "tiers", "types"},
    "export": {
        "engines", "errors", "evaluation", "fusion", "images", "machine", "models", "nets", "pipeline", "tiers", "types",
    },
    "training": {
        "compose", "engines", "errors", "evaluation", "export", "fusion", "geometry", "images", "machine", "models", "nets",
        "perception", "pipeline", "types",
    },
    "cli": {
        "decoding", "engines", "errors", "evaluation", "export", "facefusion", "images", "machine", "models", "pipeline",
        "studio", "tiers", "types", "words",
    },
    "__main__": {"cli", "machine"},
}  # fmt: skip
#: The only served file that imports torch, when a GPU is requested.
GPU = ROOT / "facefusion" / "engines" / "gpu.py"


def _files() -> Iterator[Path]:
    yield ROOT / "app.py"
    yield from (ROOT / "facefusion").rglob("*.py")


def _imported(file: Path) -> set[str]:
    """Names of the package's modules that a file imports, also inside of functions."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                path = ROOT / node.module.replace(".", "/") / alias.name
                inside = path.is_dir() or path.with_suffix(".py").is_file()
                names.add(f"{node.module}.{alias.name}" if inside else node.module)
    return {name for name in names if name.split(".")[0] in ("facefusion", "app")}


def _module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _part(module: str) -> str:
    first, *rest = module.split(".")
    return rest[0] if rest else first


def _circle(graph: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except ValueError as error:  # graphlib.CycleError
        return list(error.args[1])
    return []


def test_each_part_imports_what_the_table_says() -> None:
    found: dict[str, set[str]] = {part: set() for part in MAY_IMPORT}
    for file in _files():
        part = _part(_module(file))
        found.setdefault(part, set()).update(map(_part, _imported(file)))
    assert {part: names - {part} for part, names in found.items()} == MAY_IMPORT


def test_no_two_parts_and_no_two_modules_import_each_other() -> None:
    assert _circle(MAY_IMPORT) == []
    modules = {_module(file): _imported(file) for file in _files()}
    assert _circle(modules) == []


def test_a_circle_is_found() -> None:
    assert set(_circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


@pytest.mark.parametrize(
    "part", ["machine", "geometry", "decoding", "images", "models", "engines", "perception", "fusion", "auto", "compose",
             "studio", "pipeline", "page", "cli"],
)  # fmt: skip
def test_no_served_file_imports_torch(part: str) -> None:
    files = set((ROOT / "facefusion" / part).glob("*.py")) - {GPU}
    assert len(files) > 1
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names]
                module = getattr(node, "module", None) or ""
                assert "torch" not in {name.split(".")[0] for name in [*names, module]}, file


def _modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_serving_imports_no_torch() -> None:
    modules = _modules_after("import facefusion, app")
    assert {"facefusion.pipeline.pipeline", "onnxruntime", "gradio"} <= modules
    assert not [
        name for name in modules if name.split(".")[0] in ("torch", "onnxscript", "safetensors")
    ]
    not_served = ("nets", "training", "evaluation", "export")
    assert not [
        name
        for name in modules
        if name.startswith(tuple(f"facefusion.{each}" for each in not_served))
    ]


def test_the_command_line_imports_no_page() -> None:
    modules = _modules_after("import facefusion.cli.main")
    assert "facefusion.pipeline.pipeline" in modules
    assert not {"torch", "gradio", "app"} & modules
