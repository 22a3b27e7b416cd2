"""Engines that need a package of `requirements-engines.txt`, imported only if it is installed."""
