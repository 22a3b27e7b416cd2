"""From the files of strangers to pixels: what is refused by its header, decoding, and the process
and budget that bound it.

Nothing is imported here: the worker process takes `reading` and `headers` from this package without
    the rest of the product.
"""
