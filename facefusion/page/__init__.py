"""Implements the web page and API: layout, listeners, request checks, and temporary files."""
