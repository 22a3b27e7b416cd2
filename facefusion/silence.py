"""Switches off what packages report to their makers by themselves, before any of them is imported.

`facefusion/__init__.py` imports this module first, so that the page, the command line, programs
that use the library, tests and child processes all get it. A program that imports one of these
packages before `facefusion` sets the variables itself.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Switch:
    """How a package is kept from reporting.

    Attributes:
        package: the name under which it is imported.
        habit: what it does otherwise, as recorded with strace.
        variables: environment variables that it reads when it is imported or first used.
        hidden: an optional module that does its reporting, and that it does without where it cannot
            be imported.
    """

    package: str
    habit: str
    variables: dict[str, str] = field(default_factory=dict)
    hidden: str | None = None


SWITCHES: Final = (
    Switch(
        "onnxruntime",
        "Writes a lasting device number and a queue of events into the user's cache and a session number into the temporary "
        "directory, and looks up mobile.events.data.microsoft.com after 9 seconds. On Windows, where the variable is not "
        "read, it writes trace events, which `runtime` switches off.",
        {"ORT_DISABLE_TELEMETRY": "1"},
    ),
    Switch(
        "openvino",
        "Importing it writes a client number and a counter into ~/intel and sends an event to www.google-analytics.com.",
        # no variable stops it, and ~/intel is no place for a file of ours that would
        hidden="openvino_telemetry",
    ),
    Switch(
        "gradio",
        "Sends its version and what an app is made of to huggingface.co, and asks api.gradio.app for the newest version.",
        {
            "GRADIO_ANALYTICS_ENABLED": "False",
            # It would also compute statistics of all calls, for its own page, after each one.
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
    """Sets every variable of `SWITCHES`, whatever it was set to, and hides their reporting modules
    from import.
    """
    for switch in SWITCHES:
        os.environ.update(switch.variables)
        if switch.hidden:
            sys.modules[switch.hidden] = None  # type: ignore[assignment]  # how Python marks what is not to be imported


switch_off()
