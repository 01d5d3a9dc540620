"""scikit-learn's bundled digits (UCI optical recognition of handwritten digits, Alpaydin and Kaynak 1998)."""

import numpy as np

from fl.data.dataset import Dataset

__all__ = ["load_digits"]

_TEST_EVERY = 5


def load_digits() -> Dataset:
    """1,797 images of 8x8 pixels; every fifth one is held out for testing."""
    from sklearn.datasets import load_digits as bundled

    images, labels = bundled(return_X_y=True)
    features = (images / 16.0).astype(np.float32)
    held_out = np.arange(len(labels)) % _TEST_EVERY == 0
    return Dataset(
        name="digits",
        classes=10,
        shape=(8, 8, 1),
        train_x=features[~held_out],
        train_y=labels[~held_out].astype(np.int64),
        test_x=features[held_out],
        test_y=labels[held_out].astype(np.int64),
    )
