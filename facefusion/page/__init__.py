"""The web page and API: layout, listeners, request checks, and files that are kept ten minutes."""
