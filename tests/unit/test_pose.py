"""Head pose: sizes and signs."""

from __future__ import annotations

import pytest

from facefusion.geometry.pose import pose_degrees


@pytest.mark.parametrize("angle", ["yaw", "pitch", "roll"])
@pytest.mark.parametrize("degrees", [-40, -5, 0, 15, 45])
def test_each_angle_is_measured_alone(make_mesh, angle: str, degrees: float) -> None:
    pose = dict(
        zip(("yaw", "pitch", "roll"), pose_degrees(make_mesh(**{angle: degrees})), strict=True)
    )
    assert pose.pop(angle) == pytest.approx(degrees, abs=0.5)
    assert list(pose.values()) == pytest.approx([0, 0], abs=0.5)


def test_signs(make_mesh) -> None:
    mesh = make_mesh()
    mesh[454, 2] += 10  # the image-right cheek goes back
    assert pose_degrees(mesh)[0] > 0
    mesh = make_mesh()
    mesh[152, 2] += 10  # the chin goes back
    assert pose_degrees(mesh)[1] > 0
    mesh = make_mesh()
    mesh[454, 1] += 10  # the image-right cheek sinks: clockwise
    assert pose_degrees(mesh)[2] > 0


def test_size_and_place_do_not_matter(make_mesh) -> None:
    small, large = (
        make_mesh((10, 20), 40, yaw=25, pitch=10, roll=5),
        make_mesh((900, 70), 700, yaw=25, pitch=10, roll=5),
    )
    assert pose_degrees(small) == pytest.approx(pose_degrees(large), abs=1e-2)
