"""Photo files of strangers: what is refused by its header, and the processes that decode the rest."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefusion.decoding import decoded, headers, reading, worker
from facefusion.decoding.pool import DecoderPool
from facefusion.decoding.process import DecoderProcess, EndedError
from facefusion.errors import FusionError, SlowPhotoError, TooLargePhotoError, UnreadablePhotoError
from facefusion.images.reading import read_photo
from tests.unit import bombs
from tests.waiting import becomes_true

ROOT = Path(__file__).resolve().parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="what is looked at is Linux's")

#: Reads every file of a directory in a process whose address space is limited, and says how each
#: ended.
READ_ALL = """
import json, resource, sys, pathlib
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
from PIL import Image
from facefusion.errors import FusionError
from facefusion.images.reading import read_photo
codes = {}
for path in pathlib.Path(sys.argv[1]).iterdir():
    try:
        codes[path.name] = list(read_photo(path, "target").shape)
    except FusionError as error:
        codes[path.name] = error.code
print(json.dumps({"codes": codes, "readers": sorted(Image.OPEN)}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bombs")


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, str]:
    return bombs.write_all(folder)


@pytest.fixture(scope="module")
def told(folder: Path, expected: dict[str, str]) -> dict[str, Any]:
    """What the process with 2 GB said of every file."""
    command = [sys.executable, "-c", READ_ALL, str(folder), str(2 << 30)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool() as pool:
        pool.start()
        yield pool


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the address space")
@pytest.mark.parametrize(
    "name", [*bombs.BOMBS, *(f"small.{kind.lower()}" for kind in bombs.WRITTEN)]
)
def test_a_bomb_is_refused_with_little_memory(
    name: str, told: dict[str, Any], expected: dict[str, str]
) -> None:
    assert told["codes"][name] == expected[name]


def test_no_other_reader_of_pillow_is_loaded(told: dict[str, Any]) -> None:
    # Pillow itself loads the reader of PPM; DIB comes with that of BMP.
    assert set(told["readers"]) - {"PPM", "DIB"} == set(reading.FORMATS)


def test_a_bomb_is_refused_by_the_process_too(
    pool: DecoderPool, folder: Path, expected: dict[str, str]
) -> None:
    codes = {}
    for name in expected:
        with pytest.raises(FusionError) as caught:
            pool.read(folder / name, "source", 2)
        codes[name] = caught.value.code
        assert (caught.value.photo, caught.value.number) == ("source", 2)
    assert codes == expected


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_text_that_unpacks_to_much_is_not_unpacked(kind: bytes) -> None:
    """The picture is read without it: a header decides about no photo."""
    data = bombs.png_with_text(kind, 64)
    tracemalloc.start()
    rgb = reading.pixels(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rgb.ndim == 3 and peak < 16 << 20


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (9280, 6944, None), (20_000, 3250, None), (20_001, 3000, "too_large"), (8100, 8100, "too_large"),
        (1600, 100, None), (100, 1601, "too_long"), (1, 1, None), (1, 17, "too_long"),
    ],
)  # fmt: skip
def test_the_limits(width: int, height: int, reason: str | None) -> None:
    for size in ((width, height), (height, width)):
        with contextlib.ExitStack() as stack:
            if reason is not None:
                caught = stack.enter_context(pytest.raises(headers.RefusedPhotoError))
            headers.check_size(*size)
        assert reason is None or caught.value.reason == reason


def test_an_ordinary_progressive_photo_is_read(tmp_path: Path, make_photo: Any) -> None:
    Image.fromarray(make_photo(120, 90)).save(tmp_path / "a.jpg", progressive=True, quality=95)
    assert read_photo(tmp_path / "a.jpg", "target").shape == (120, 90, 3)
    (tmp_path / "b.jpg").write_bytes(bombs.jpeg(64, 64, scans=40))
    assert read_photo(tmp_path / "b.jpg", "target").shape == (64, 64, 3)


def test_what_follows_a_photo_in_its_file_is_not_counted(tmp_path: Path, make_photo: Any) -> None:
    """Phones append a film, in whose bytes anything may stand."""
    Image.fromarray(make_photo(64, 64)).save(tmp_path / "a.jpg")
    with (tmp_path / "a.jpg").open("ab") as file:
        file.write(b"\xff\xda\0\2" * 500)
    assert read_photo(tmp_path / "a.jpg", "target").shape == (64, 64, 3)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "1", "I;16", "CMYK"])
@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
def test_the_process_gives_what_this_one_gives(
    pool: DecoderPool, tmp_path: Path, make_photo: Any, mode: str, orientation: int | None
) -> None:
    photo, exif = make_photo(90, 160), Image.Exif()
    if mode == "I;16":
        image = Image.fromarray(photo[..., 0].astype(np.uint16) * 257)
    elif mode in ("RGBA", "LA"):
        image = Image.fromarray(np.dstack([photo, photo[..., :1]])).convert(mode)
    else:
        image = Image.fromarray(photo).convert(mode)
    if orientation is not None:
        exif[0x0112] = orientation
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(path, exif=exif)
    here, there = read_photo(path, "target"), pool.read(path, "target")
    np.testing.assert_array_equal(here, there)
    assert here.shape == ((160, 90, 3) if (orientation or 1) >= 5 else (90, 160, 3))
    assert pool.size(path, "target") == (here.shape[1], here.shape[0])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.webp"])
def test_a_photo_is_turned_strip_by_strip(
    tmp_path: Path, make_photo: Any, monkeypatch: pytest.MonkeyPatch, orientation: int, name: str
) -> None:
    photo, exif = make_photo(50, 70), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo).save(tmp_path / name, exif=exif, lossless=True)
    monkeypatch.setattr(decoded, "STRIP_BYTES", 1000)
    turns = {
        1: photo, 2: photo[:, ::-1], 3: photo[::-1, ::-1], 4: photo[::-1], 5: photo.transpose(1, 0, 2),
        6: np.rot90(photo, -1), 7: photo[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(photo),
    }  # fmt: skip
    np.testing.assert_array_equal(read_photo(tmp_path / name, "target"), turns[orientation])
    assert reading.size((tmp_path / name).read_bytes()) == turns[orientation].shape[1::-1]


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.avif", "a.tiff", "a.png", "a.mpo"])
def test_of_several_pictures_the_first_counts(pool: DecoderPool, tmp_path: Path, name: str) -> None:
    first, second = (
        Image.new("RGB", (40, 30), colour) for colour in ((200, 30, 30), (20, 200, 20))
    )
    first.save(tmp_path / name, save_all=True, append_images=[second])
    photo = pool.read(tmp_path / name, "target")
    assert photo.shape == (30, 40, 3) and np.abs(photo.astype(int) - [200, 30, 30]).max() <= 12


def test_orientation_behind_the_pixels_of_a_png_is_found(tmp_path: Path) -> None:
    """Pillow looks there only when it has decoded them; the size is of the same pixels either way."""
    exif, whole = Image.Exif(), bombs.png(40, 30)
    exif[0x0112] = 6
    (tmp_path / "a.png").write_bytes(
        whole[:-12] + bombs.chunk(b"eXIf", exif.tobytes()[6:]) + whole[-12:]
    )
    assert sorted(reading.size((tmp_path / "a.png").read_bytes())) == [30, 40]
    assert read_photo(tmp_path / "a.png", "target").shape == (40, 30, 3)


def test_a_large_jpeg_that_only_gives_a_face_comes_at_half_its_size(
    pool: DecoderPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (5001, 3301), (90, 120, 60)).save(tmp_path / "a.jpg")
    assert pool.size(tmp_path / "a.jpg", "target") == (5001, 3301)
    assert pool.size(tmp_path / "a.jpg", "source") == (2501, 1651)
    photo = pool.read(tmp_path / "a.jpg", "source")
    assert photo.shape == (1651, 2501, 3) and np.abs(photo.astype(int) - [90, 120, 60]).max() <= 3
    Image.new("RGB", (400, 300)).save(tmp_path / "b.jpg")
    Image.new("RGB", (400, 300)).save(tmp_path / "c.png")
    monkeypatch.setattr(reading, "HALVED_FROM", 1000)
    shapes = [read_photo(tmp_path / name, "source").shape[:2] for name in ("b.jpg", "c.png")]
    assert shapes == [(150, 200), (300, 400)]


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("transparent", [True, False])
def test_the_size_of_a_webp_is_read_before_it_is_opened(
    tmp_path: Path, lossless: bool, transparent: bool
) -> None:
    Image.new("RGBA" if transparent else "RGB", (301, 77)).save(
        tmp_path / "a.webp", lossless=lossless
    )
    assert headers._webp_size((tmp_path / "a.webp").read_bytes()) == (301, 77)


def test_what_is_no_file(
    pool: DecoderPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").touch()
    for path in (tmp_path / "none", tmp_path, tmp_path / "empty"):
        with pytest.raises(UnreadablePhotoError):
            pool.read(path, "target")
    (tmp_path / "large").write_bytes(bytes(101))
    monkeypatch.setattr("facefusion.decoding.pool.MOST_BYTES", 100)
    with pytest.raises(TooLargePhotoError):
        pool.read(tmp_path / "large", "target")


def test_a_process_that_ended_is_replaced(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    with DecoderPool(workers=1) as pool:
        assert pool.read(tmp_path / "a.png", "target").shape == (30, 40, 3)
        (first,) = pool.pids
        os.kill(first, signal.SIGTERM)
        assert becomes_true(lambda: not pool.pids)
        assert pool.read(tmp_path / "a.png", "target").shape == (30, 40, 3)
        assert pool.pids != [first]


def test_a_process_that_ends_over_a_photo_refuses_it(tmp_path: Path) -> None:
    process = DecoderProcess(seconds=60)
    try:
        process.wait_until_ready()
        with ThreadPoolExecutor(1) as beside:
            asked = beside.submit(
                process.ask, bombs.jpeg(8000, 8000, scans=50), pixels=True, half=False, seconds=60
            )
            process.kill()
            with pytest.raises(EndedError) as caught:
                asked.result()
        assert not caught.value.late and not process.alive
    finally:
        process.close()


def test_a_photo_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "slow.jpg").write_bytes(bombs.jpeg(8000, 8000, scans=50))
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    with DecoderPool(workers=1, seconds=0.05) as pool:
        with pytest.raises(SlowPhotoError) as caught:
            pool.read(tmp_path / "slow.jpg", "source", 3)
        assert (caught.value.photo, caught.value.number) == ("source", 3)
        pool.seconds = 60
        assert pool.read(tmp_path / "a.png", "target").shape == (30, 40, 3)


def test_a_process_does_not_keep_what_a_large_photo_took(tmp_path: Path) -> None:
    Image.new("L", (5000, 4000)).save(tmp_path / "large.png")
    Image.new("L", (500, 400)).save(tmp_path / "small.png")
    with DecoderPool(workers=1) as pool:
        pids = []
        for name in ("small.png", "small.png", "large.png", "small.png"):
            pool.read(tmp_path / name, "target")
            pids += pool.pids
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_many_at_once(pool: DecoderPool, tmp_path: Path, make_photo: Any) -> None:
    photos = [make_photo(100 + i, 200) for i in range(12)]
    for i, photo in enumerate(photos):
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
    (tmp_path / "broken").write_bytes(b"nothing")
    with ThreadPoolExecutor(8) as threads:
        read = [threads.submit(pool.read, tmp_path / f"{i}.png", "target") for i in range(12)]
        broken = [threads.submit(pool.size, tmp_path / "broken", "target") for _ in range(4)]
        for found, photo in zip(read, photos, strict=True):
            np.testing.assert_array_equal(found.result(), photo)
        assert all(isinstance(each.exception(), UnreadablePhotoError) for each in broken)


def test_a_closed_pool_reads_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    pool = DecoderPool(workers=1)
    pool.read(tmp_path / "a.png", "target")
    (pid,) = pool.pids
    pool.close()
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError):
        pool.read(tmp_path / "a.png", "target")


@LINUX
def test_a_process_has_limits_and_knows_nothing_of_its_parent() -> None:
    process = DecoderProcess(seconds=5)
    try:
        process.wait_until_ready()
        folder = Path(f"/proc/{process.pid}")
        limits = {
            line[:26].strip(): line[26:].split()[:2]
            for line in (folder / "limits").read_text().splitlines()
        }
        assert limits["Max address space"] == [str(worker.ADDRESS_SPACE)] * 2
        assert limits["Max file size"] == limits["Max core file size"] == ["0", "0"]
        assert limits["Max open files"] == [str(worker.OPEN_FILES)] * 2
        names = {
            line.split("=")[0] for line in (folder / "environ").read_text().split("\0") if line
        }
        assert names <= {
            "OPENBLAS_NUM_THREADS",
            "OMP_NUM_THREADS",
            "MALLOC_ARENA_MAX",
            "LD_LIBRARY_PATH",
        }
    finally:
        process.close()


@LINUX
def test_no_process_outlives_the_one_that_asks() -> None:
    code = (
        "import os, signal\nfrom facefusion.decoding.process import DecoderProcess\n"
        "process = DecoderProcess(5)\nprocess.wait_until_ready()\nprint(process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    status = Path(f"/proc/{int(done.stdout)}/status")

    def ended() -> bool:
        try:
            return "State:\tZ" in status.read_text()  # whoever adopted it has not looked yet
        except OSError:
            return True

    assert becomes_true(ended)


def test_the_process_takes_less_than_the_product() -> None:
    code = "import sys; sys.argv = ['worker', '1']; import runpy; runpy.run_path(sys.argv.pop(), run_name='__main__')"
    command = [
        sys.executable,
        "-c",
        code.replace("sys.argv.pop()", repr(worker.__file__)) + "; print(*sys.modules)",
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60
    )
    modules = set(done.stdout.split())
    assert (
        done.stdout.startswith(worker.READY.decode()) and "facefusion.decoding.reading" in modules
    )
    assert not {"cv2", "onnxruntime", "gradio", "facefusion.pipeline.pipeline"} & modules
