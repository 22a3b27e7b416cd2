"""Engines that need a package of `requirements-engines.txt`: imported only where it is installed."""
