"""The example for people who want the ONNX files and not this package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from facefusion import FusionPipeline

ROOT = Path(__file__).resolve().parents[2]


def test_the_onnx_files_alone_fuse_two_photos(tmp_path: Path, pipeline: FusionPipeline) -> None:
    """In a process that cannot import the package, and to a likeness that the package itself sees."""
    names = ("portrait-1.jpg", "portrait-2.jpg")
    photos = [ROOT / "examples" / name for name in names]
    script = ROOT / "examples" / "use_onnx.py"
    text = script.read_text()
    assert "import facefusion" not in text and "from facefusion" not in text
    code = [
        line
        for line in text.splitlines()[2:]
        if line.strip() and not line.startswith(("import", "from"))
    ]
    assert len(code) <= 30
    (tmp_path / "use_onnx.py").write_text(text)
    command = [sys.executable, "use_onnx.py", str(ROOT / "weights"), *map(str, photos), "out.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    fused = np.asarray(
        Image.open(tmp_path / "out.png").resize((256, 256), Image.Resampling.BICUBIC)
    )
    source, target = (np.asarray(Image.open(photo).convert("RGB")) for photo in photos)

    def embedding(photo: np.ndarray) -> np.ndarray:
        face = pipeline.networks.mesh(photo, pipeline.networks.detector.with_retries(photo)[0])
        return pipeline.networks.identity(photo, face.mesh)

    to_source, to_target = (
        float(embedding(fused) @ embedding(photo)) for photo in (source, target)
    )
    assert to_source > 0.5 and to_source > to_target + 0.2
