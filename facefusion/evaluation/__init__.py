"""Evaluates the product's results by judges from outside it; serving never imports this package."""
