"""What a machine with FaceFusion goes through, in one run: every engine, the command line, and the
page with a visitor.

`python whole_visit.py PORT SECONDS OUT.png`, in the root of the project: serves the page on that
port, and goes on for at least so many seconds, because some packages report to their makers only
after a while.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request

from facefusion import FusionPipeline  # isort: skip  # first, as its switches ask

import numpy as np
from PIL import Image

from facefusion.engines.accuracy import synthetic_inputs
from facefusion.engines.registry import available, open_network
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.models.networks import NETWORKS, fusion_networks

EXAMPLES = EMBEDDED_WEIGHTS.parent / "examples"
SOURCE, TARGET = (str(EXAMPLES / f"portrait-{number}.jpg") for number in (1, 2))
#: Seconds for the page to come up, two first starts at once on a slow machine included.
PATIENCE = 90


def fetched(address: str) -> bytes | None:
    """What a server answers, or None where there is none yet."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return bytes(answer.read())
    except OSError:
        return None


def visit(port: int) -> None:
    """Comes to the page, looks, and fuses once."""
    address, begin = f"http://127.0.0.1:{port}/", time.monotonic()
    while fetched(address + "config") is None:
        assert time.monotonic() - begin < PATIENCE, "the page does not come up"
        time.sleep(0.2)
    assert b"<html" in (fetched(address) or b"")
    from gradio_client import Client, handle_file

    client = Client(address, verbose=False, download_files=False)
    photos = [handle_file(path) for path in (SOURCE, TARGET)]
    assert client.predict(*photos, "auto", i_have_consent=True, api_name="/fuse")


def main(port: int, seconds: float, out: str) -> None:
    """Everything, the page beside the rest."""
    begin = time.monotonic()
    page = subprocess.Popen([sys.executable, "app.py", "--port", str(port)])
    try:
        files = read_manifest(EMBEDDED_WEIGHTS)
        for name in fusion_networks():
            for engine in available(files, name):
                open_network(engine, files, name).run(
                    NETWORKS[name].output_names, synthetic_inputs(name, NETWORKS[name].largest_side)
                )
        photos = (np.asarray(Image.open(path)) for path in (SOURCE, TARGET))
        FusionPipeline.from_pretrained()(*photos)
        command = [
            sys.executable,
            "-m",
            "facefusion",
            "fuse",
            SOURCE,
            TARGET,
            "--out",
            out,
            "--i-have-consent",
        ]
        subprocess.run(command, check=True)
        visit(port)
        time.sleep(max(seconds - (time.monotonic() - begin), 0))
    finally:
        page.send_signal(signal.SIGTERM)
        code = page.wait(30)
    assert code == 0, f"the page ended with code {code}"


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
