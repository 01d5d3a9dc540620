"""Pieces of circuits.

bits     booleans, digits, comparison
lookup   membership in a table by logarithmic derivatives
norm     inner product, squared norm, bound on a norm
ranges   exact ranges by lookup of mixed-radix digits
"""
