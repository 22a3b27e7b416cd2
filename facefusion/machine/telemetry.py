"""Switches off the telemetry of packages before any of them is imported.

`facefusion/__init__.py` imports this module first, so that it holds for the page, the command
line, programs that use the library, tests and child processes. A program that imports one of these
packages before `facefusion` sets the variables itself.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Switch:
    """Telemetry of one package, and how it is switched off.

    Attributes:
        package: the name under which it is imported.
        behaviour: its default behaviour, as recorded with strace.
        variables: environment variables that it reads when it is imported or first used.
        hidden: optional module that sends the reports; the package works without it if it cannot
            be imported.
    """

    package: str
    behaviour: str
    variables: dict[str, str] = field(default_factory=dict)
    hidden: str | None = None


SWITCHES: Final = (
    Switch(
        "onnxruntime",
        "Writes a lasting device number and a queue of events into the user's cache and a session number into the temporary "
        "directory, and looks up mobile.events.data.microsoft.com after 9 seconds. On Windows, where the variable is not "
        "read, it writes trace events, which `engines.sessions` switches off.",
        {"ORT_DISABLE_TELEMETRY": "1"},
    ),
    Switch(
        "openvino",
        "Importing it writes a client number and a counter into ~/intel and sends an event to www.google-analytics.com.",
        # No variable stops it; the file in ~/intel that would is not ours to write.
        hidden="openvino_telemetry",
    ),
    Switch(
        "gradio",
        "Sends its version and what an app is made of to huggingface.co, and asks api.gradio.app for the newest version.",
        {
            "GRADIO_ANALYTICS_ENABLED": "False",
            # Gradio would also compute statistics of all calls for its own page after each call.
            "GRADIO_ANALYTICS_MAX_EVENTS": "1",
            "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",
        },
    ),
    Switch(
        "huggingface_hub",
        "Sends the events of gradio, and of its client whenever that connects, and names what runs in its requests.",
        {"HF_HUB_DISABLE_TELEMETRY": "1"},
    ),
    Switch(
        "hf_xet",
        "Reports each transfer of a large file from the Hub.",
        {"HF_XET_TELEMETRY_ENABLED": "0"},
    ),
    Switch(
        "ray",
        "Reports statistics of its use. No requirement brings it; transformers, of the export, imports it where it is.",
        {"RAY_USAGE_STATS_ENABLED": "0"},
    ),
)


def switch_off() -> None:
    """Sets every variable of `SWITCHES`, replacing earlier values, and blocks hidden modules."""
    for switch in SWITCHES:
        os.environ.update(switch.variables)
        if switch.hidden:
            sys.modules[switch.hidden] = None  # type: ignore[assignment]  # blocks its import


switch_off()
