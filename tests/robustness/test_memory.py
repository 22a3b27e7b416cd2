"""A fusion of the largest photo that is taken, from its file to the written result, stays within
what a server may use.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Most megabytes above rest, of the process and of those that decode for it.
MOST = 1200

FUSE = """
import os, pathlib, sys, threading, time
import numpy as np
from facefusion import FusionPipeline, Swap
from facefusion.decoding.pool import DecoderPool
from facefusion.images.marking import marked
from facefusion.images.saving import save

folder, likeness = pathlib.Path(sys.argv[1]), float(sys.argv[2])
page = os.sysconf("SC_PAGE_SIZE")

def resident():
    total = 0
    for pid in [os.getpid(), *pool.pids]:
        try:
            total += page * int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:  # it ended meanwhile
            pass
    return total / 1e6

def watch():
    while not done.wait(0.005):
        peak[0] = max(peak[0], resident())

with DecoderPool() as pool:
    pool.start()
    pipeline = FusionPipeline.from_pretrained(threads=2)
    face = pool.read(folder / "face.jpg", "source")
    pipeline(face, face, tier="best")
    pool.size(folder / "face.jpg", "source")
    rest, peak, done = resident(), [0.0], threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    target = pool.read(folder / "photo.jpg", "target")
    for result in pipeline.stream([Swap(face)], target, tier="best", likeness=likeness):
        image = marked(result.image, faces=result.boxes, in_place=True)
        save(image, folder / "made.jpg", ".jpg")
        if not np.isnan(result.identity_similarity):  # it is no draft
            save(image, folder / "made.png", ".png")
        del image
    changed = (result.coarse[::50, ::50] != target[::50, ::50]).any(2)
    assert changed.mean() > 0.02 and not (changed & (result.mask[::50, ::50] == 0)).any()
    done.set()
    watcher.join()
print(rest, peak[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what is measured is Linux's")
@pytest.mark.parametrize("likeness", [0.5, 1.0])
def test_the_largest_photo_takes_no_more_than_a_server_has(
    tmp_path: Path, astronaut: np.ndarray, likeness: float
) -> None:
    portrait = cv2.cvtColor(astronaut[:300, 80:380], cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(tmp_path / "face.jpg"), portrait)
    cv2.imwrite(
        str(tmp_path / "photo.jpg"),
        cv2.resize(portrait, (8000, 8000), interpolation=cv2.INTER_LINEAR),
    )
    command = [sys.executable, "-c", FUSE, str(tmp_path), str(likeness)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    rest, peak = map(float, run.stdout.splitlines()[-1].split())
    assert 192 < peak - rest < MOST  # the photo alone takes 192
