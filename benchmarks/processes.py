"""What other processes take."""

from __future__ import annotations

from pathlib import Path


def memory_mb(pid: int) -> dict[str, float]:
    """Resident memory of a process `now` and at its `peak`, in megabytes of 10^6 bytes; empty where
    there is no /proc.
    """
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return {}
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return {
        name: int(fields[key].split()[0]) * 1024 / 1e6
        for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))
    }
