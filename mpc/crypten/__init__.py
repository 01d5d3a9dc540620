"""CrypTen's secret tensors on this project's runtime, randomness and correlated randomness.

    compat        CrypTen 0.4.1 imports and works on today's torch

Importing this package makes `import crypten` work.
"""

from mpc.crypten.compat import load

load()

__all__ = ["load"]
