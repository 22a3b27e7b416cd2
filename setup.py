"""Lists the packages: all of `facefusion`, and the folder `weights` as `facefusion.weights`."""

from __future__ import annotations

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["facefusion*"]), "facefusion.weights"],
    package_dir={"facefusion.weights": "weights"},
)
