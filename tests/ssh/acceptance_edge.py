"""A real edge on loopback: one service over http, https (aiohttp) and HTTP/3 (aioquic), with
certificates of any kind."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from load_server import Service

NAME = "films.example"
INTERMEDIATE = ":".join(
    f"ECDHE-ECDSA-{kind}"
    for kind in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """An authority in `folder`; `bundle` is the file to trust."""

    def __init__(self, folder: Path, title: str = "an authority") -> None:
        self.folder, self.key, self.subject = (
            folder,
            ec.generate_private_key(ec.SECP256R1()),
            _name(title),
        )
        made = (
            self._builder(self.subject, self.key, 3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(False, False, False, False, False, True, True, False, False),
                critical=True,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
            )
        )
        self.bundle = folder / f"{title.replace(' ', '-')}.pem"
        self.bundle.write_bytes(
            made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: float
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1 if days > 0 else 30))
            .not_valid_after(now + timedelta(days=days))
        )

    def issue(
        self, names: Sequence[str] = (NAME, "127.0.0.1"), days: float = 90
    ) -> tuple[Path, Path]:
        """A leaf for `names`, expired if `days` are negative: files with the certificate and its
        key."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        leaf = (
            self._builder(_name(names[0]), key, days)
            .add_extension(x509.SubjectAlternativeName([*map(_general, names)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(own, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        files = self.folder / f"{leaf.serial_number}.pem", self.folder / f"{leaf.serial_number}.key"
        files[0].write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        files[1].write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
        )
        return files


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def compliant(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """TLS as Mozilla's intermediate profile wants it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.set_ciphers(INTERMEDIATE)
    context.set_ecdh_curve("prime256v1")
    context.set_alpn_protocols(["http/1.1"])
    return context


def lax(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """TLS with a suite that the profile has dropped."""
    context = compliant(certificate)
    context.set_ciphers(f"{INTERMEDIATE}:ECDHE-ECDSA-AES128-SHA")
    return context


class Edge(NamedTuple):
    """Where it answers."""

    http: str
    https: str


Header = Callable[[web.Request, int], dict[str, str]]


def alt_svc(request: web.Request, port: int) -> dict[str, str]:
    """What an edge sends: HTTP/3 offered over TLS only."""
    return {"Alt-Svc": f'h3=":{port}"; ma=86400'} if request.secure else {}


@dataclass
class Faults:
    """What is wrong with an edge. `answer` may answer instead of the service; `quic` is the
    status over QUIC, None for none."""

    headers: Header = alt_svc
    answer: Callable[[web.Request], web.Response | None] = lambda _: None
    tls: Callable[[tuple[Path, Path]], ssl.SSLContext] = compliant
    https: bool = True
    quic: int | None = 200


@contextmanager
def an_edge(
    service: Service, certificate: tuple[Path, Path], faults: Faults | None = None
) -> Iterator[Edge]:
    """Serve it from a thread of its own, on free ports of loopback; UDP has the number of https."""
    made = _Serving(service, certificate, faults or Faults())
    thread = threading.Thread(target=made.loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(made.start(), made.loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(made.stop(), made.loop).result(10)
        made.loop.call_soon_threadsafe(made.loop.stop)
        thread.join(10)
        made.loop.close()


class _Serving:
    def __init__(self, service: Service, certificate: tuple[Path, Path], faults: Faults) -> None:
        self.loop, self.certificate, self.faults = asyncio.new_event_loop(), certificate, faults
        self.app, self.port = service.app(), 0
        self.app.on_response_prepare.append(self._headers)
        self.app.middlewares.append(self._other)
        self.runner = web.AppRunner(self.app, shutdown_timeout=0.1)
        self.quic: Any = None

    async def _headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self.faults.headers(request, self.port))

    @property
    def _other(self) -> Any:
        @web.middleware
        async def other(request: web.Request, handler: Any) -> web.StreamResponse:
            return self.faults.answer(request) or await handler(request)

        return other

    async def start(self) -> Edge:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        http = self.runner.addresses[0][1]
        if self.faults.https:
            await web.TCPSite(
                self.runner, "127.0.0.1", 0, ssl_context=self.faults.tls(self.certificate)
            ).start()
        self.port = self.runner.addresses[-1][1] if self.faults.https else _free_port()
        if self.faults.quic is not None:
            configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
            configuration.load_cert_chain(*self.certificate)
            status = self.faults.quic
            self.quic = await serve(
                "127.0.0.1",
                self.port,
                configuration=configuration,
                create_protocol=lambda *a, **k: _H3(status, *a, **k),
            )
        return Edge(f"http://127.0.0.1:{http}", f"https://127.0.0.1:{self.port}")

    async def stop(self) -> None:
        if self.quic:
            self.quic.close()
        await self.runner.cleanup()


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class _H3(QuicConnectionProtocol):
    """Answers every request with one status."""

    def __init__(self, status: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.status, self.h3 = status, H3Connection(self._quic)

    def quic_event_received(self, event: QuicEvent) -> None:
        for heard in self.h3.handle_event(event):
            if isinstance(heard, HeadersReceived):
                self.h3.send_headers(heard.stream_id, [(b":status", str(self.status).encode())])
                self.h3.send_data(heard.stream_id, b"pong", end_stream=True)
                self.transmit()
