"""Defines the units of a packed file of training faces."""

from __future__ import annotations

from typing import Final

#: Steps of a mesh's coordinates in a crop's side.
MESH_STEPS: Final = 32768
#: Value of a mesh's coordinates that stands for 0.
MESH_ZERO: Final = 16384
