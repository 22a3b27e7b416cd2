"""What this process may use: processors by affinity and quota, and tasks by the user's and the
group's limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from facefusion.decoding.pool import DecoderPool
from facefusion.engines.sessions import session_options
from facefusion.errors import UnreadablePhotoError
from facefusion.machine import limits, measurements, process
from facefusion.machine.limits import has_room_for, session_threads, usable_cpus
from facefusion.page import server

ROOT = Path(__file__).resolve().parents[2]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's limits")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process of eight processors whose control groups are files in a directory."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(limits, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(limits, "MOUNT", tmp_path / "mount")
    monkeypatch.setattr(limits, "_user_tasks", lambda: iter(()))
    limits.tasks_left.cache_clear()
    yield tmp_path
    limits.tasks_left.cache_clear()


def _write(groups: Path, lines: str, **files: str) -> None:
    (groups / "cgroup").write_text(lines)
    for name, text in files.items():
        path = groups / "mount" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        # A keyword has no points.
        path.with_name(path.name.replace("-", ".")).write_text(text)


def _count(groups: Path) -> int:
    return usable_cpus(groups / "cgroup", groups / "mount")


@linux
def test_a_process_bound_to_one_processor_uses_one_thread() -> None:
    one = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{one}}})\n"
        "from facefusion.engines.sessions import session_options\n"
        "import app\n"
        "print(session_options().intra_op_num_threads, app.FUSIONS_AT_ONCE)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1"]


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1), ("400000 100000", 4), ("x", 8)],
)
def test_a_quota_of_version_2(groups: Path, quota: str, cpus: int) -> None:
    _write(groups, "0::/\n", **{"cpu-max": quota})
    assert _count(groups) == cpus


def test_the_quota_of_a_parent_counts(groups: Path) -> None:
    _write(groups, "0::/a/b\n", **{"a__b__cpu-max": "max 100000", "a__cpu-max": "300000 100000"})
    assert _count(groups) == 3


@pytest.mark.parametrize(("quota", "cpus"), [("-1\n", 8), ("200000\n", 2), ("20000\n", 1)])
@pytest.mark.parametrize(
    "path", ["/", "/docker/1234"]
)  # the latter lies outside of what is mounted
def test_a_quota_of_version_1(groups: Path, quota: str, cpus: int, path: str) -> None:
    _write(
        groups,
        f"4:memory:{path}\n3:cpu,cpuacct:{path}\n0::/\n",
        **{"cpu__cpu-cfs_quota_us": quota, "cpu__cpu-cfs_period_us": "100000\n"},
    )
    assert _count(groups) == cpus


def test_without_control_groups_the_affinity_counts(groups: Path) -> None:
    assert _count(groups) == 8


def test_every_network_and_the_kept_measurements_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for cpus in (2, 3):
        monkeypatch.setattr(limits, "usable_cpus", lambda cpus=cpus: cpus)
        assert session_options().intra_op_num_threads == session_threads() == cpus
        keys.add(measurements.machine_key())
    assert len(keys) == 2


@pytest.mark.parametrize(("most", "threads"), [("20", 1), ("100", 3), ("5000", 8), ("max", 8)])
def test_few_tasks_leave_each_network_fewer_threads(
    groups: Path, most: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "usable_cpus", lambda: 8)
    _write(groups, "0::/\n", **{"pids-max": most, "pids-current": "10"})
    assert session_threads() == threads


def test_libraries_that_start_threads_do_without_where_tasks_are_few(
    groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    limits.spare_libraries()
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    limits.tasks_left.cache_clear()
    _write(groups, "0::/\n", **{"pids-max": "30", "pids-current": "10"})
    limits.spare_libraries()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1" and os.environ["OMP_NUM_THREADS"] == "3"
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)


def test_the_threads_that_were_tried_end(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    assert has_room_for(8) and threading.active_count() == before
    begun = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if threading.active_count() >= before + 3:
            raise RuntimeError("can't start new thread")
        begun(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert has_room_for(3) and not has_room_for(4) and threading.active_count() == before


def test_too_few_tasks_end_a_process_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "has_room_for", lambda tasks: tasks <= 4)
    process.end_without_room(4)
    with pytest.raises(SystemExit) as ended:
        process.end_without_room(5)
    told = capsys.readouterr().err
    assert ended.value.code == 2 and told.count("\n") == 1 and "Please allow more" in told


def test_a_pool_without_room_for_a_process_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot that was lost with each refused start would leave later photos waiting for ever."""
    photo = tmp_path / "photo.png"
    photo.write_bytes((ROOT / "examples" / "astronaut.png").read_bytes())
    with DecoderPool(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(
                "facefusion.decoding.pool.DecoderProcess",
                lambda _: (_ for _ in ()).throw(BlockingIOError(11, "no room")),
            )
            for _ in range(3):
                with pytest.raises(UnreadablePhotoError):
                    pool.read(photo, "target")
        assert pool.read(photo, "target").shape == (512, 512, 3)
        process_ids = pool.pids
        with monkeypatch.context() as patch:  # it ends, and no other can be started at once
            patch.setattr(
                "facefusion.decoding.pool.DecoderProcess",
                lambda _: (_ for _ in ()).throw(BlockingIOError(11, "no room")),
            )
            os.kill(process_ids[0], 9)
            with pytest.raises(UnreadablePhotoError):
                pool.read(photo, "target")
        assert pool.read(photo, "target").shape == (512, 512, 3)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((1024, 1_048_576), (4096, 1_048_576)),
        ((1024, -1), (4096, -1)),
        ((1024, 2048), (2048, 2048)),
        ((524_288, 1_048_576), (524_288, 1_048_576)),
        ((8192, -1), (8192, -1)),
        ((-1, -1), (-1, -1)),
    ],
)
@linux
def test_the_page_never_lowers_the_limit_of_files(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], expected: tuple[int, int]
) -> None:
    import resource

    found = [limits]
    monkeypatch.setattr(resource, "getrlimit", lambda _: found[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: found.append(wanted))
    server.limit(SimpleNamespace(config=SimpleNamespace()))
    assert found[-1] == expected
