"""A stock of precomputed randomisers: encryption then costs one multiplication a ciphertext."""

from threading import Lock

from gmpy2 import mpz

from he.errors import KeyMismatch
from he.keys import PrivateKey, PublicKey
from he.paillier import Progress, encryptor
from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["RandomizerPool"]


class RandomizerPool:
    """Randomisers made ahead of time; each is handed out once, to one thread.

    Leakage: whoever reads the pool can read every ciphertext made from it: keep it in memory only.
    """

    __slots__ = ("_key", "_lock", "_public", "_stock", "_stream")

    def __init__(self, key: PublicKey | PrivateKey, stream: Stream | None = None) -> None:
        self._key = key
        self._public = key.public if isinstance(key, PrivateKey) else key
        self._stream = stream or Stream.from_os(b"randomizer pool")
        self._stock: list[mpz] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._stock)

    def __repr__(self) -> str:
        return f"RandomizerPool({len(self)} randomizers)"

    def fill(self, count: int, progress: Progress | None = None) -> None:
        """Make `count` more."""
        maker = encryptor(self._key)
        for done in range(count):
            with self._lock:
                self._stock += maker.randomizers(1, self._stream)
            if progress:
                progress(done + 1, count)

    def take(self, public: PublicKey, count: int) -> list[mpz]:
        """Remove `count` randomisers; what is missing is made now.

        Raises: KeyMismatch for another key's ciphertexts.
        """
        if public != self._public:
            raise KeyMismatch("the pool was filled for another key")
        if count < 0:
            raise ParameterError(f"cannot take {count} randomizers")
        with self._lock:
            split = max(0, len(self._stock) - count)
            taken, self._stock = self._stock[split:], self._stock[:split]
            return taken + encryptor(self._key).randomizers(count - len(taken), self._stream)
