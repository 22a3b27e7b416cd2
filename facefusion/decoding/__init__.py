"""Decodes untrusted photo files: header checks, worker processes, and a limit on pixels at a time.

This file imports nothing: the worker process takes `reading`, and what that imports, from this
package without the rest of the product.
"""
