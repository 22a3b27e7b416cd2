"""The report card: what the product's results are worth, measured by judges that are not part of
it.

Serving never imports this package.
"""
