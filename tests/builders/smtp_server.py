"""A small SMTP server on this machine: it keeps the mails that it accepts, and refuses or breaks off as it is told."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Mailbox:
    """What the server got: the envelope and the bytes of each mail, and how many connections. `refuse` are addresses.

    It ends a connection in order (421) after `mails_per_connection`.
    """

    port: int = 0
    refuse: set[str] = field(default_factory=set)
    breaks_after_data: bool = False
    password: str = ""
    connections: int = 0
    mails_per_connection: int = 1_000
    takes_utf8: bool = False
    mails: list[tuple[list[str], bytes]] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)


class _Session(socketserver.StreamRequestHandler):
    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self) -> None:
        box, context = self.server.box, self.server.context  # type: ignore[attr-defined]
        is_secure, addresses = False, []
        box.connections += 1
        taken = 0
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.partition(" ")[0].upper()
            if verb == "EHLO":
                self.say("250-here")
                if box.takes_utf8:
                    self.say("250-SMTPUTF8")
                if context and not is_secure:
                    self.say("250-STARTTLS")
                self.say("250 AUTH PLAIN" if box.password else "250 8BITMIME")
            elif verb == "STARTTLS":
                self.say("220 go on")
                try:
                    self.connection = context.wrap_socket(self.connection, server_side=True)
                except (ssl.SSLError, OSError):
                    return
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                is_secure = True
            elif verb == "AUTH":
                given = base64.b64decode(line.split()[2]).split(b"\0")[2].decode()
                self.say("235 welcome" if given == box.password else f"535 wrong: {given}")
            elif verb == "MAIL" and taken == box.mails_per_connection:
                self.say("421 enough")
                return
            elif verb == "RCPT":
                address = line.partition("<")[2].partition(">")[0]
                if address in box.refuse:
                    self.say("550 no such user")
                else:
                    addresses.append(address)
                    self.say("250 ok")
            elif verb == "DATA":
                self.say("354 go on")
                body = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    body += part[1:] if part.startswith(b".") else part
                box.mails.append((list(addresses), body))
                box.secure.append(is_secure)
                if box.breaks_after_data:
                    return
                addresses.clear()
                taken += 1
                self.say("250 accepted")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")


@contextmanager
def smtp_server(certificate: Path | None = None) -> Iterator[Mailbox]:
    """Serve on a free port of 127.0.0.1; with a certificate the server offers STARTTLS."""
    box = Mailbox()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Session) as server:
        held: Any = server
        held.box, held.context, server.daemon_threads = box, None, True
        if certificate:
            held.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            held.context.load_cert_chain(certificate)
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield box
        server.shutdown()
        thread.join()


def own_certificate(path: Path) -> Path:
    """Write a certificate of 127.0.0.1 and localhost that it signed itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")]),
    )
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(pem) + secret)
    return path
