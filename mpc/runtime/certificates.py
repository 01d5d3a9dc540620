"""A party's key and certificate: self-signed, exchanged beforehand, and recognised by exact equality.

There is no authority to trust: every party holds the certificates of the peers it talks to.
"""

import datetime
import hashlib
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mpc.errors import DecodeError, ParameterError
from mpc.prg import Stream

__all__ = ["Identity", "fingerprint", "load_certificate", "tls_context"]

KEY_FILE = "key.pem"
CERTIFICATE_FILE = "certificate.pem"


@dataclass(frozen=True, slots=True)
class Identity:
    """A party's TLS identity: an Ed25519 key and its self-signed certificate, both PEM."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str, days: int = 825, randomness: Stream | None = None) -> "Identity":
        """A fresh identity; without `randomness` the key comes from the operating system.

        Raises: ParameterError for a name X.509 does not hold or a lifetime below a day.
        """
        if not 1 <= len(name) <= 64 or days < 1:
            raise ParameterError(
                "a certificate needs a name of 1 to 64 characters and a lifetime of days >= 1"
            )
        stream = Stream.from_os(b"tls identity") if randomness is None else randomness
        key = Ed25519PrivateKey.from_private_bytes(stream.bytes(32))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            # An hour back, so that a peer whose clock is a little behind accepts it at once.
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
        )
        certificate = builder.sign(key, None)
        return cls(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def save(self, directory: Path) -> None:
        """Write both files; the key is readable by its owner only, and nothing is overwritten.

        Raises: ParameterError when the directory already holds an identity.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / KEY_FILE).exists() or (directory / CERTIFICATE_FILE).exists():
            raise ParameterError(f"{directory} already holds an identity")
        descriptor = os.open(directory / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(self.key)
        (directory / CERTIFICATE_FILE).write_bytes(self.certificate)

    @classmethod
    def load(cls, directory: Path) -> "Identity":
        """Read what `save` wrote.

        Raises: ParameterError when a file is missing; DecodeError when the certificate is none.
        """
        try:
            key = (directory / KEY_FILE).read_bytes()
        except OSError as error:
            raise ParameterError(f"no identity in {directory}: {error.strerror}") from None
        return cls(load_certificate(directory / CERTIFICATE_FILE), key)


def load_certificate(path: Path) -> bytes:
    """The PEM of one certificate from a file.

    Raises: ParameterError when there is no such file; DecodeError when it holds anything but one certificate.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ParameterError(f"no certificate in {path}: {error.strerror}") from None
    fingerprint(data)
    return data


def fingerprint(certificate: bytes) -> bytes:
    """SHA-256 of a certificate's DER form, the name by which a peer is recognised.

    Raises: DecodeError unless the PEM holds exactly one certificate.
    """
    try:
        (parsed,) = x509.load_pem_x509_certificates(certificate)
    except ValueError as error:
        raise DecodeError(f"not one PEM certificate: {error}") from None
    return hashlib.sha256(parsed.public_bytes(serialization.Encoding.DER)).digest()


def tls_context(identity: Identity, peers: list[bytes], *, server: bool) -> ssl.SSLContext:
    """TLS 1.3 and nothing older, both sides authenticated, trusting exactly the certificates in `peers`.

    Assumes: the caller then checks *which* peer it is by `fingerprint`; host names play no part.
    Raises: ParameterError when key and certificate do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    if server:
        # A resumed session would carry an identity over; every connection proves its own.
        context.num_tickets = 0
    try:
        with tempfile.TemporaryDirectory() as directory:  # mode 0700; OpenSSL takes a key from a file only
            identity.save(Path(directory))
            context.load_cert_chain(Path(directory) / CERTIFICATE_FILE, Path(directory) / KEY_FILE)
        context.load_verify_locations(cadata="".join(peer.decode("ascii") for peer in peers))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ParameterError(f"unusable key or certificate: {error}") from None
    return context
