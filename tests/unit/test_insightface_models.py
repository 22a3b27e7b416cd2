"""insightface's models, where a user brings them: small ones of the same names, inputs and outputs,
made here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from facefusion import FusionPipeline, Tier
from facefusion.cli.main import main
from facefusion.errors import WeightsError
from facefusion.models.hub import Hub
from facefusion.models.manifest import EMBEDDED_WEIGHTS
from facefusion.studio import insightface_models
from facefusion.studio.insightface_models import (
    ACCEPTED,
    ARCFACE,
    SWAPPER,
    find_models,
    open_models,
)
from tests.hub_server import serve_hub

PICTURE = [1, 3, 128, 128]


def _save(
    nodes: list, inputs: dict, outputs: dict, initializers: dict[str, np.ndarray], path: Path
) -> Path:
    def values(named: dict) -> list:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in named.items()
        ]

    tensors = [numpy_helper.from_array(array, name) for name, array in initializers.items()]
    graph = helper.make_graph(nodes, "small", values(inputs), values(outputs), tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def make_arcface(path: Path) -> Path:
    """(N, 3, 112, 112) -> (N, 512): the picture's mean colours in 16 x 16 cells, repeated."""
    nodes = [
        helper.make_node(
            "AveragePool", ["input.1"], ["cells"], kernel_shape=[7, 7], strides=[7, 7]
        ),
        helper.make_node("Reshape", ["cells", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "spread"], ["683"]),
    ]
    spread = np.random.default_rng(0).standard_normal((768, 512), np.float32)
    shape = np.array([-1, 768], np.int64)
    return _save(
        nodes,
        {"input.1": ["N", 3, 112, 112]},
        {"683": ["N", 512]},
        {"shape": shape, "spread": spread},
        path,
    )


def make_swapper(path: Path, emap: np.ndarray, *, last: bool = True, length: int = 512) -> Path:
    """(1, 3, 128, 128) and (1, 512) -> (1, 3, 128, 128): half the target, and half the colour that
    three of the 512 say.
    """
    nodes = [
        helper.make_node("MatMul", ["source", "choose"], ["three"]),
        helper.make_node("Sigmoid", ["three"], ["colour"]),
        helper.make_node("Reshape", ["colour", "shape"], ["wide"]),
        helper.make_node("Add", ["target", "wide"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["output"]),
    ]
    choose = np.zeros((length, 3), np.float32)
    choose[[0, 1, 2], [0, 1, 2]] = 60
    initializers = {
        "choose": choose,
        "shape": np.array([1, 3, 1, 1], np.int64),
        "half": np.array(0.5, np.float32),
    }
    initializers = {**initializers, "emap": emap} if last else {"emap": emap, **initializers}
    return _save(
        nodes, {"target": PICTURE, "source": [1, length]}, {"output": PICTURE}, initializers, path
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as insightface's own: the packs below it. Our detector has SCRFD's inputs and
    outputs.
    """
    folder = tmp_path_factory.mktemp("models")
    (folder / "buffalo_l").mkdir()
    shutil.copy(EMBEDDED_WEIGHTS / "detector.onnx", folder / "buffalo_l" / "det_10g.onnx")
    make_arcface(folder / "buffalo_l" / ARCFACE)
    make_swapper(folder / SWAPPER, np.eye(512, dtype=np.float32))
    return folder


def with_models(folder: Path) -> FusionPipeline:
    return FusionPipeline.from_pretrained(models=folder, accept_licence=ACCEPTED)


def test_studio_swaps_the_face_and_nothing_else(
    pipeline: FusionPipeline,
    models: Path,
    guest: np.ndarray,
    astronaut: np.ndarray,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert Tier.STUDIO not in pipeline.tiers
    with pytest.raises(ValueError, match="no tier studio"):
        pipeline(guest, astronaut, tier="studio")
    assert open_models(models, ACCEPTED).files == ("det_10g.onnx", ARCFACE, SWAPPER)
    own = with_models(models)
    assert own.tiers[-1] is Tier.STUDIO
    result = own(guest, astronaut, tier="studio")
    assert result.tier is Tier.STUDIO and "refine" in result.timings.stages
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(result.image[result.mask == 0], astronaut[result.mask == 0])
    changed = np.abs(result.image.astype(int) - astronaut).mean(axis=2)
    assert changed[result.mask > 0.95].mean() > 10
    assert (result.image != result.coarse).any()
    assert own(guest, astronaut).tier is not Tier.STUDIO  # Auto never takes it


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_face_is_what_the_network_says_of_the_embedding_and_its_map(
    tmp_path: Path,
    guest: np.ndarray,
    astronaut: np.ndarray,
    order: tuple[int, int, int],
) -> None:
    """The colour follows the embedding through the file's own map: half the photo, half that
    colour, at the same place.
    """
    emap = np.eye(512, dtype=np.float32)
    emap[:, [0, 1, 2]] = emap[:, list(order)]
    make_arcface(tmp_path / ARCFACE)
    make_swapper(tmp_path / SWAPPER, emap)
    own = with_models(tmp_path)
    assert own.networks.studio is not None
    result = own(guest, astronaut, tier="studio")
    embedding = own.networks.studio._arcface(guest, result.faces[0].source.mesh)
    colour = 255 / (1 + np.exp(-60 * embedding[list(order)]))
    inside = result.mask > 0.9
    share, photo = result.mask[inside][:, None], astronaut[inside]
    expected = photo + share * ((photo + colour) / 2 - photo)
    assert inside.sum() > 500
    assert np.abs(result.image[inside] - expected).mean() < 6  # twice sampled at 128 pixels


def test_several_photos_of_the_face_are_averaged(
    models: Path, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    own = with_models(models)
    bright = np.clip(guest.astype(int) + 40, 0, 255).astype(np.uint8)
    one, other, both = (
        own(s, astronaut, tier="studio").image.astype(int) for s in (guest, bright, [guest, bright])
    )
    assert (both != one).any() and (both != other).any()


@pytest.mark.parametrize(
    ("word", "sentence"), [("", "non-commercial research only"), ("yes", f"={ACCEPTED}")]
)
def test_nothing_is_used_before_the_licence_is_accepted(
    models: Path, word: str, sentence: str
) -> None:
    with pytest.raises(WeightsError, match=sentence):
        FusionPipeline.from_pretrained(models=models, accept_licence=word)


def _spoilt(folder: Path, what: str) -> None:
    eye = np.eye(512, dtype=np.float32)
    make_arcface(folder / ARCFACE)
    make_swapper(folder / SWAPPER, eye)
    if what == "order":
        make_swapper(folder / SWAPPER, eye, last=False)
    elif what == "map":
        make_swapper(folder / SWAPPER, eye[:100])
    elif what == "nan":
        make_swapper(folder / SWAPPER, eye * np.nan)
    elif what == "length":
        make_swapper(folder / SWAPPER, np.eye(256, dtype=np.float32), length=256)
    elif what == "other":
        shutil.copy(folder / ARCFACE, folder / SWAPPER)
    elif what == "identity":
        shutil.copy(EMBEDDED_WEIGHTS / "identity.onnx", folder / ARCFACE)
    elif what == "cut":
        (folder / SWAPPER).write_bytes((folder / SWAPPER).read_bytes()[:999])
    elif what == "alone":
        (folder / ARCFACE).unlink()
    elif what == "detector":
        shutil.copy(folder / ARCFACE, folder / "det_10g.onnx")
    elif what == "none":
        (folder / ARCFACE).unlink()
        (folder / SWAPPER).unlink()


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (
            "order",
            r"its last initialiser should be the 512 x 512 map of embeddings, and is float32 of shape \(\)",
        ),
        ("map", r"should be the 512 x 512 map .* of shape \(100, 512\)"),
        ("nan", "should be the 512 x 512 map"),
        ("length", "is not inswapper_128: its inputs and outputs"),
        ("other", "is not inswapper_128: its inputs and outputs"),
        ("identity", "is not w600k_r50: its inputs and outputs"),
        ("cut", "cannot be opened"),
        ("alone", f"Studio needs both {ARCFACE} and {SWAPPER}"),
        ("detector", "det_10g.onnx is no SCRFD detector|det_10g.onnx cannot be opened"),
        ("none", "holds none of insightface's files"),
    ],
)
def test_files_that_are_not_what_their_names_say(tmp_path: Path, what: str, sentence: str) -> None:
    _spoilt(tmp_path, what)
    with pytest.raises(WeightsError, match=sentence):
        with_models(tmp_path)


def test_the_environment_brings_models(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(insightface_models.MODELS_VARIABLE, str(models))
    refused = FusionPipeline.from_pretrained()
    assert (
        refused.networks.studio is None
        and refused.notice is not None
        and "non-commercial" in refused.notice
    )
    monkeypatch.setenv(insightface_models.ACCEPT_VARIABLE, ACCEPTED)
    taken = FusionPipeline.from_pretrained()
    assert taken.networks.studio is not None and taken.notice is None
    monkeypatch.setenv(insightface_models.MODELS_VARIABLE, str(models / "none"))
    missing = FusionPipeline.from_pretrained()
    assert (
        missing.networks.studio is None
        and missing.notice is not None
        and "holds none" in missing.notice
    )


def _commands(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    return (code, *capsys.readouterr())


def test_models_of_a_repository_are_fetched_only_when_asked_for(
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run: Callable[..., tuple[int, str, str]] = partial(_commands, capsys)
    with serve_hub() as server:
        files = {
            path.relative_to(models).as_posix(): path.read_bytes()
            for path in models.rglob("*.onnx")
        }
        revision = server.add(
            "someone/models", {**files, "other.onnx": b"1" * 99, "README.md": b"hello"}
        )
        monkeypatch.setattr("facefusion.cli.hub.Hub", partial(Hub, server.url, tmp_path / "cache"))
        monkeypatch.setattr(
            "facefusion.studio.insightface_models.Hub", partial(Hub, server.url, tmp_path / "cache")
        )
        name = f"someone/models@{revision}"

        with pytest.raises(
            WeightsError, match=r"`python -m facefusion hub models someone/models@.*` fetches them"
        ):
            find_models(name)
        code, out, err = run("hub", "models", name)
        assert (
            code == 2
            and out.startswith("The models of insightface")
            and "Nothing was fetched" in err
        )
        assert server.requests == []

        code, out, err = run("hub", "models", name, "--accept-licence", ACCEPTED)
        assert code == 0, err
        assert len(server.asked("GET", "/cdn/")) == len(files)
        found = find_models(name)
        assert found.swapper is not None and found.swapper.read_bytes() == files[SWAPPER]

        found.swapper.resolve().write_bytes(b"cut")
        with pytest.raises(WeightsError, match=f"{SWAPPER} was damaged and is deleted"):
            find_models(name)
        assert not found.swapper.exists()


def test_the_command_line_brings_models(
    models: Path, tmp_path: Path, guest: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    run: Callable[..., tuple[int, str, str]] = partial(_commands, capsys)
    Image.fromarray(guest).save(tmp_path / "face.png")
    photos = [tmp_path / "face.png"] * 2
    words = ["fuse", "--i-have-consent", *photos, "-o", tmp_path / "out.png", "--tier", "studio"]
    code, _, err = run(*words)
    assert code == 2 and "The tier studio needs w600k_r50.onnx and inswapper_128.onnx" in err
    code, _, err = run(*words, "--models", models)
    assert (
        code == 2 and "non-commercial research only" in err and not (tmp_path / "out.png").exists()
    )
    code, out, err = run(*words, "--models", models, "--accept-licence", ACCEPTED)
    assert code == 0 and "tier studio" in out, err
    assert (tmp_path / "out.png").exists()
