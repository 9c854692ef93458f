"""The certificates of an emulator that serves HTTPS, signed by a CA of its own.

Needs ``cryptography``, which Airflow brings.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from airflow_provider_flowservice.emulator.clock import EmulatorClock
from airflow_provider_flowservice.emulator.files import write_private

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST_NAME = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)
_CA_DAYS = 3650
# Some clients accept no certificate of a server that is valid for longer.
_SERVER_DAYS = 397
#: A certificate that is valid for less time than this is replaced.
_SPARE = timedelta(days=30)


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files.

    :param ca: what a client trusts: the extra ``ca_file`` of an Airflow connection.
    :param chain: the server's certificate.
    :param key: its private key.
    """

    ca: Path
    chain: Path
    key: Path


@dataclass(frozen=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def is_current(self) -> bool:
        now = _now()
        return (
            self.certificate.not_valid_before_utc <= now < self.certificate.not_valid_after_utc - _SPARE
            and self.certificate.public_key() == self.key.public_key()
        )


def check_host_name(name: str) -> None:
    """Check a name under which the emulator is to be served.

    :raises ValueError: if it is neither a host name nor an IP address.
    """
    if len(name) > 253 or not (_HOST_NAME.fullmatch(name) or _address(name)):
        raise ValueError(
            f"{name!r} cannot be served; an allowed host is a name like 'aep' or 'aep.example.com', or an IP address,"
            " without scheme, port or wildcard"
        )


def certificates_in(directory: Path, names: Sequence[str]) -> Certificates:
    """Return the certificates in a directory, for loopback and more names; what is missing or expires is made.

    The CA stays the same as long as it is valid, so that clients need its file only once.

    :param names: host names and IP addresses.
    :raises OSError: if the directory cannot be written.
    :raises ValueError: if a file in it cannot be read as what its name says.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = Certificates(directory / "ca.pem", directory / "server.pem", directory / "server-key.pem")
    authority = _read(files.ca, directory / "ca-key.pem")
    if authority is None or not authority.is_current:
        authority = _make_authority()
        _write(authority, files.ca, directory / "ca-key.pem")
    wanted = [*_LOOPBACK, *(name for name in names if name not in _LOOPBACK)]
    server = _read(files.chain, files.key)
    if server is None or not server.is_current or not _serves(server, authority, wanted):
        _write(_make_server(authority, wanted), files.chain, files.key)
    return files


def _now() -> datetime:
    # Clients check certificates by real time.
    return datetime.fromtimestamp(EmulatorClock().now(), tz=UTC)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    addresses = ((name, _address(name)) for name in names)
    return [x509.IPAddress(address) if address else x509.DNSName(name) for name, address in addresses]


def _read(certificate: Path, key: Path) -> _Pair | None:
    """Return a certificate with its key, or None if there is no certificate."""
    if not certificate.exists():
        return None
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        public = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (FileNotFoundError, TypeError, ValueError) as error:
        raise ValueError(
            f"{certificate} and {key} are no certificate and private key of an emulator ({error});"
            " remove both, or give --tls another directory"
        ) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key} was not made by an emulator; remove it, or give --tls another directory")
    return _Pair(public, private)


def _write(pair: _Pair, certificate: Path, key: Path) -> None:
    encoding, none = serialization.Encoding.PEM, serialization.NoEncryption()
    write_private(key, pair.key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, none))
    certificate.write_bytes(pair.certificate.public_bytes(encoding))


def _serves(server: _Pair, authority: _Pair, wanted: Sequence[str]) -> bool:
    try:
        server.certificate.verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, TypeError, ValueError):
        return False
    served = server.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(_general_names(wanted)) <= set(served)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = _now()
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        # A client's clock may be slow.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _make_authority() -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # Two of them with one name would be mistaken for each other.
    name = _named(f"Flow Service emulator CA {x509.random_serial_number():x}"[:64])
    builder = (
        _builder(name, name, key, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
    )
    return _Pair(builder.sign(key, hashes.SHA256()), key)


def _make_server(authority: _Pair, names: Sequence[str]) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _builder(_named("Flow Service emulator"), authority.certificate.subject, key, _SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
        .add_extension(issuer, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return _Pair(builder.sign(authority.key, hashes.SHA256()), key)
