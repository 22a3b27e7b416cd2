"""Times each part on its own: the networks, and the warp at 256 px. `python -m benchmarks.parts`

Median and 10th to 90th percentile over many runs, after a warm-up, in one process with nothing else
running.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import skimage.data

from benchmarks.timing import percentiles, seconds_of
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
from facefusion.perception.mesh import FIRST_VIEW, INPUT_SIZE
from facefusion.pipeline.networks import Networks
from facefusion.types import Detection, Face, FloatArray, Photo

#: Name of a part, milliseconds that were asked for at most, and milliseconds that it takes.
Row = tuple[str, str, str]

#: Timed runs of each part.
RUNS: Final = 60
#: Runs before the timed ones.
WARM_UP: Final = 5
#: Side in pixels of the crop that is warped.
WARP_SIZE: Final = 256


def timed(call: Callable[[], object]) -> str:
    """Times a call, and formats its milliseconds as "median (p10 to p90)"."""
    for _ in range(WARM_UP):
        call()
    low, middle, high = percentiles([1000 * seconds_of(call) for _ in range(RUNS)], 10, 50, 90)
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


@dataclass(frozen=True)
class Parts:
    """The parts of a pipeline on one photo.

    Attributes:
        networks: of the pipeline.
        photo: (H, W, 3) RGB uint8.
        detection: the largest face in it.
        face: its mesh.
    """

    networks: Networks
    photo: Photo
    detection: Detection
    face: Face

    def crop(self, size: int) -> tuple[Photo, FloatArray]:
        """Returns the aligned crop (size, size, 3) of the face, and its mesh in it."""
        matrix = mesh_crop_transform(self.face.mesh, FUSION_FACE_SHARE, size)
        return crop_photo(self.photo, matrix, size), transform_points(self.face.mesh, matrix)

    def finder_rows(self) -> list[Row]:
        """Times the networks that find and recognise a face."""
        networks, photo = self.networks, self.photo
        view = mesh_crop_transform(self.face.mesh, MESH_FACE_SHARE, INPUT_SIZE)
        return [
            (
                "detector, quick pass (at 192, if that is not enough at 384)",
                "",
                timed(lambda: networks.detector.glance(photo)),
            ),
            (
                "detector, 640 px photo (at 192 and at 640)",
                "60",
                timed(lambda: networks.detector(photo)),
            ),
            (
                "mesh, one view",
                "15",
                timed(lambda: networks.mesh._measure(photo, view, FIRST_VIEW)),
            ),
            (
                "mesh of a photo: one view, then four",
                "",
                timed(lambda: networks.mesh(photo, self.detection)),
            ),
            ("identity", "20", timed(lambda: networks.identity(photo, self.face.mesh))),
        ]

    def warp_rows(self) -> list[Row]:
        """Times the warp."""
        image, mesh = self.crop(WARP_SIZE)
        warp = MeshWarp(mesh, WARP_SIZE)
        return [
            (
                f"warp at {WARP_SIZE}, spline for a new target and remap",
                "10",
                timed(lambda: MeshWarp(mesh, WARP_SIZE)(image, mesh)),
            ),
            (f"warp at {WARP_SIZE}, target seen before", "10", timed(lambda: warp(image, mesh))),
        ]

    def fusion_rows(self) -> list[Row]:
        """Times the fusion networks."""
        networks = self.networks
        small, _ = self.crop(COARSE_SIZE)
        mask = np.ones((COARSE_SIZE, COARSE_SIZE), np.float32)
        embedding = networks.identity(self.photo, self.face.mesh)
        maps = networks.coarse(small, small, mask, embedding)

        def refine(size: int) -> object:
            large, _ = self.crop(size)
            return networks.refine(large, large, np.ones((size, size), np.float32), maps)

        coarse = timed(lambda: networks.coarse(small, small, mask, embedding))
        return [
            (f"coarse network at {COARSE_SIZE}", "", coarse),
            *((f"refine network at {n}", "", timed(partial(refine, n))) for n in (256, 512)),
        ]


def main() -> None:
    """Prints a table."""
    argparse.ArgumentParser(prog="python -m benchmarks.parts", description=__doc__).parse_args()
    own_process()  # as the page and the command line do
    networks = FusionPipeline.from_pretrained().networks
    astronaut = skimage.data.astronaut()
    photo = np.ascontiguousarray(np.pad(astronaut, ((64, 64), (64, 64), (0, 0)), mode="reflect"))
    detection = networks.detector(photo)[0]
    parts = Parts(networks, photo, detection, networks.mesh(photo, detection))
    rows = [*parts.finder_rows(), *parts.warp_rows(), *parts.fusion_rows()]
    here = describe_machine()
    print(f"{here['cpu']}, {here['cores']} cores, Python {here['python']}\n")
    print("| part | asked, ms at most | median ms (p10 to p90) |\n|---|---|---|")
    for name, asked, figure in rows:
        print(f"| {name} | {asked} | {figure} |")


if __name__ == "__main__":
    main()
