"""The certificate of a receiver to test with: its own signature, a week long, for one name.

By `cryptography`, which moto brings anyhow: trustme, made for tests, would make an authority and a certificate of it,
and two are longer than one where it has to go through a parameter of a template into a function's environment (4 KB).
"""

import datetime
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LIFETIME: Final = datetime.timedelta(days=7)
# Clocks differ.
_BEFORE: Final = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ReceiverCertificate:
    """A certificate and its key (P-256), both in PEM."""

    name: str
    certificate: str
    key: str = field(repr=False)

    @classmethod
    def fresh(cls, name: str) -> "ReceiverCertificate":
        """Make one for a DNS name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BEFORE)
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(
            name,
            certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode("ascii"),
        )

    @property
    def one_line(self) -> str:
        """The certificate with spaces for line breaks: it fits one argument of a shell, and a console's text field."""
        return " ".join(self.certificate.split("\n")).strip()

    def server_context(self) -> ssl.SSLContext:
        """What a TLS server of this certificate needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # The ssl module takes a key from a file only.
        with tempfile.TemporaryDirectory(prefix="forebay-receiver-") as folder:
            path = Path(folder) / "receiver.pem"
            path.touch(mode=0o600)
            path.write_text(self.key + self.certificate, encoding="ascii")
            context.load_cert_chain(path)
        return context
