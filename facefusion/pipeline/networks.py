"""Groups the open networks of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from facefusion.fusion.coarse import CoarseRunner
from facefusion.fusion.refine import RefineRunner
from facefusion.perception.coverings import CoveringsFinder
from facefusion.perception.detector import FaceDetector
from facefusion.perception.identity import IdentityEncoder
from facefusion.perception.mesh import FaceMesh
from facefusion.studio.swapper import StudioRunner


@dataclass(frozen=True)
class Networks:
    """Open networks, each safe for concurrent calls.

    Attributes:
        detector: finds faces and five points.
        mesh: measures 468 points of a face.
        identity: computes identity embeddings.
        coverings: segments spectacles and hair, and measures the eyelids.
        coarse: first stage of the fusion, at 128 px.
        refine: second stage, at 256 to 512 px.
        studio: insightface's swapper for the tier `STUDIO`, or None without the user's models.
    """

    detector: FaceDetector
    mesh: FaceMesh
    identity: IdentityEncoder
    coverings: CoveringsFinder
    coarse: CoarseRunner
    refine: RefineRunner
    studio: StudioRunner | None = None
