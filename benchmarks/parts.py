"""Times each part on its own: the networks, and the warp at 256 px. `python -m benchmarks.parts`

Median and 10th to 90th percentile over many runs, after a warm-up, in one process with nothing else
running.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import skimage.data

from facefusion import FusionPipeline
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    MESH_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    transform_points,
)
from facefusion.geometry.warp import MeshWarp
from facefusion.machine.cpu import describe_machine
from facefusion.machine.process import own_process
from facefusion.perception.mesh import INPUT_SIZE, PLAIN

RUNS = 60


def timed(call: Callable[[], object]) -> str:
    """Milliseconds as "median (p10 to p90)"."""
    for _ in range(5):
        call()
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    low, middle, high = 1000 * np.percentile(seconds, [10, 50, 90])
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    """Prints a table."""
    own_process()  # as the page and the command line do
    pipeline = FusionPipeline.from_pretrained()
    photo = np.ascontiguousarray(
        np.pad(skimage.data.astronaut(), ((64, 64), (64, 64), (0, 0)), mode="reflect")
    )  # 640 px
    detection = pipeline.networks.detector(photo)[0]
    face = pipeline.networks.mesh(photo, detection)

    def crop(size: int) -> tuple[np.ndarray, np.ndarray]:
        matrix = mesh_crop_transform(face.mesh, FUSION_FACE_SHARE, size)
        return crop_photo(photo, matrix, size), transform_points(face.mesh, matrix)

    small, _ = crop(COARSE_SIZE)
    image, mesh = crop(256)
    warp = MeshWarp(mesh, 256)
    mask = np.ones((COARSE_SIZE, COARSE_SIZE), np.float32)
    rough = mesh_crop_transform(face.mesh, MESH_FACE_SHARE, INPUT_SIZE)
    who = pipeline.networks.identity(photo, face.mesh)
    maps = pipeline.networks.coarse(small, small, mask, who)

    def refined(size: int) -> object:
        large = crop(size)[0]
        return pipeline.networks.refine(large, large, np.ones((size, size), np.float32), maps)

    rows = [
        (
            "detector, a glance (at 192, where that is not enough at 384)",
            "",
            timed(lambda: pipeline.networks.detector.glance(photo)),
        ),
        (
            "detector, 640 px photo (looks at 192 and at 640)",
            "60",
            timed(lambda: pipeline.networks.detector(photo)),
        ),
        (
            "mesh, one view",
            "15",
            timed(lambda: pipeline.networks.mesh._measure(photo, rough, PLAIN)),
        ),
        (
            "mesh of a photo: one view, then four",
            "",
            timed(lambda: pipeline.networks.mesh(photo, detection)),
        ),
        ("identity", "20", timed(lambda: pipeline.networks.identity(photo, face.mesh))),
        (
            "warp at 256, spline for a new target and remap",
            "10",
            timed(lambda: MeshWarp(mesh, 256)(image, mesh)),
        ),
        ("warp at 256, target seen before", "10", timed(lambda: warp(image, mesh))),
        (
            "coarse network at 128",
            "",
            timed(lambda: pipeline.networks.coarse(small, small, mask, who)),
        ),
        *((f"refine network at {size}", "", timed(partial(refined, size))) for size in (256, 512)),
    ]
    here = describe_machine()
    print(f"{here['cpu']}, {here['cores']} cores, Python {here['python']}\n")
    print("| part | asked, ms at most | median ms (p10 to p90) |\n|---|---|---|")
    for name, asked, figure in rows:
        print(f"| {name} | {asked} | {figure} |")


if __name__ == "__main__":
    main()
