"""The parts of the page: what it looks like, what its buttons do, and the files that it hands out
for ten minutes.
"""
