"""Pieces of circuits.

bits       booleans, digits, comparison
lookup     membership in a table, and in the graph of a function, by logarithmic derivatives
ranges     exact ranges by lookup of mixed-radix digits
norm       inner product, squared norm, bound on a norm
freivalds  matrix products at a random vector
selection  choosing between values
poseidon, merkle  circomlib's hash, and membership in a tree of it
"""
