"""Uploads stay within the directory's limit, between two sweeps too."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facefusion.page.files import Sweeper
from facefusion.page.uploads import UploadRefusedError, Uploads

MAX_BYTES = 1000


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    uploads = Uploads(tmp_path)
    uploads.sweeper = Sweeper(tmp_path, max_bytes=MAX_BYTES, max_share=300)
    return uploads


def _held(uploads: Uploads) -> int:
    return sum(path.stat().st_size for path in uploads.directory.rglob("*") if path.is_file())


def test_the_limit_holds_after_every_upload(uploads: Uploads) -> None:
    async def upload(number: int) -> int:
        async with uploads.reserved(60):
            folder = uploads.folder_of(f"visitor {number % 5}") / str(number)
            folder.mkdir(parents=True)
            (folder / "photo.png").write_bytes(b"x" * 60)
        return _held(uploads)

    async def run() -> list[int]:
        return [await upload(number) for number in range(60)]

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(asyncio.run, run()).result()
    assert max(held) <= MAX_BYTES and held[-1] > MAX_BYTES / 3


def test_too_much_at_once_is_refused(uploads: Uploads) -> None:
    async def run() -> None:
        async with uploads.reserved(MAX_BYTES // 2):
            with pytest.raises(UploadRefusedError, match="many_uploads"):
                async with uploads.reserved(1):
                    pass
        async with uploads.reserved(1):
            pass

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, run()).result()


def test_what_was_measured_in_files_goes_with_them(uploads: Uploads) -> None:
    """But not for calls that delete nothing: others would wait for their photos to be measured again."""
    calls: list[int] = []
    uploads.forgotten = lambda: calls.append(1)
    path = uploads.folder_of("a") / "1" / "photo.png"
    path.parent.mkdir(parents=True)
    path.touch()
    assert uploads.forget([str(path.parent / "other.png")]) == 0 and calls == []
    assert uploads.forget([str(path)]) == 1 and calls == [1]
    assert uploads.forget([str(path)]) == 0 and calls == [1]
    assert uploads.forget([str(path)], known=True) == 0 and calls == [1, 1]  # files went before
