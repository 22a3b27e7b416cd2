"""A port that is taken, or no port, ends the server with one sentence before it opens anything."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from facefusion.page.server import check_address, port_number

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("text", ["abc", "", "0", "-5", "65536", "9" * 5000, "7860.0", "٧٨٦٠"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(OSError, match=r"Please give a number from 1 to 65535"):
        port_number(text)


def test_a_port() -> None:
    assert port_number("8000") == 8000


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.invalid", "a" * 300])
def test_what_is_no_address_here(host: str) -> None:
    with pytest.raises(OSError, match=r"Please choose another with --host"):
        check_address(host, 40_001)


def test_a_port_that_is_taken_and_free_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"Port {port} of 127.0.0.1 is taken"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)


@pytest.mark.parametrize("variable", ["GRADIO_SERVER_PORT", "PORT"])
def test_a_process_ends_with_one_sentence(variable: str) -> None:
    environment = {name: os.environ[name] for name in os.environ if not name.endswith("PORT")}
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**environment, variable: "seven"},
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        "facefusion: 'seven' is no port. Please give a number from 1 to 65535 with --port.\n"
    )
