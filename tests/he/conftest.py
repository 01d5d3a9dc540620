"""Keys for the tests: short ones, made once, from fixed streams."""

import pytest

from he import KeyShare, PrivateKey, PublicKey, ThresholdKey, deal, keygen
from mpc.prg import Stream

KeyPair = tuple[PublicKey, PrivateKey]


@pytest.fixture(scope="session")
def pair() -> KeyPair:
    return keygen(1024, stream=Stream(bytes(32), b"pair"), allow_insecure=True)


@pytest.fixture(scope="session")
def other_pair() -> KeyPair:
    return keygen(1024, stream=Stream(bytes(32), b"other"), allow_insecure=True)


@pytest.fixture(scope="session")
def textbook_pair() -> KeyPair:
    return keygen(1024, exponent="textbook", stream=Stream(bytes(32), b"textbook"), allow_insecure=True)


@pytest.fixture(scope="session")
def committee() -> tuple[ThresholdKey, tuple[KeyShare, ...]]:
    return deal(
        3, 5, min_contributions=3, bits=768, stream=Stream(bytes(32), b"committee"), allow_insecure=True
    )


@pytest.fixture
def stream() -> Stream:
    return Stream(bytes(32), b"test")
