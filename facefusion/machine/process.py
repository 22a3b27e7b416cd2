"""Sets up the memory and threads of a process that only fuses."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from typing import Final

import cv2
from threadpoolctl import threadpool_limits

from facefusion.machine.limits import has_room_for, session_threads

#: Least bytes of an array that is returned to the system as soon as it is freed: above the largest
#: crop's, 512 x 512 x 3 numbers, so that only arrays of a photo's size are.
PICTURE_BYTES: Final = 4 * 1024 * 1024
#: Bytes of smaller freed arrays that the heap keeps for the next fusion.
HEAP_BYTES: Final = 16 * 1024 * 1024


def end_without_room(tasks: int) -> None:
    """Ends the process with one sentence and exit code 2 if it may not start so many threads.

    Libraries that cannot start theirs wait without end, or end the process without a word.
    """
    if not has_room_for(tasks):
        print(
            f"facefusion: this process may start fewer than {tasks} threads. Please allow more: raise `ulimit -u`, or the "
            "limit of the container's tasks (pids).",
            file=sys.stderr,
        )
        sys.exit(2)


def own_process() -> None:
    """Sets up a process that only fuses: one heap, few threads of BLAS (1) and of OpenCV.

    Call it in the main thread, before other threads are started and before the first fusion. Other
    programs may call it too; their own BLAS then has one thread.

    A fusion's matrices are small, but OpenBLAS wakes a thread on every core for them, which then
    spins for some 30 ms and takes that core from the networks that follow: on two cores this costs
    a quarter of a fusion's time.
    """
    share_heap()
    threadpool_limits(1, user_api="blas")
    cv2.setNumThreads(min(cv2.getNumThreads(), session_threads()))


def share_heap() -> bool:
    """Limits the process to one glibc heap that keeps crops but no photos.

    Call it before threads are started. Otherwise each thread gets a heap of its own that keeps what
    its fusions freed: the server held 797 MB after 16 concurrent visitors. Arrays of a photo's size
    are returned to the system as soon as they are freed; arrays of a crop's size are kept, since a
    fusion takes a seventh longer if their pages are allocated anew.

    Returns:
        Whether the options were set; other C libraries have none.
    """
    trim_threshold, mmap_threshold, arena_max = -1, -3, -8  # M_TRIM_THRESHOLD and so on of malloc.h
    try:
        set_option = ctypes.CDLL(None).mallopt
        options = ((arena_max, 1), (mmap_threshold, PICTURE_BYTES), (trim_threshold, HEAP_BYTES))
        return all(bool(set_option(*option)) for option in options)
    except (OSError, AttributeError, TypeError):
        return False


def release_memory() -> None:
    """Collects garbage and returns the heap's free pages to the system, with glibc.

    It takes some 50 ms, and the next fusion has to allocate its pages anew.
    """
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
