"""A mail server on loopback: `mail_server.py FOLDER none|starttls|implicit [PASSWORD]`.

Says its port on the first line of standard output, then keeps every mail as a file in the folder until it is killed: one line of JSON with
the recipients, then the mail as it came. Writes FOLDER/authority.pem, which signed its certificate for `localhost`. With a password it wants
that of the user `lab`. The file FOLDER/behaviour says what becomes of the next mails: `take` (so it begins), `later` (451), `never` (550),
`hang` (no answer) or `die` (kept, and the connection cut before the answer). It never takes nobody@…, and later@… not the first time.
"""

import asyncio
import itertools
import json
import ssl
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Keep:
    def __init__(self, folder):
        self.folder = folder
        self.numbers = itertools.count(1)
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such user"
        if address.startswith("later@") and address not in self.seen:
            self.seen.add(address)
            return "451 come again"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        behaviour = (self.folder / "behaviour").read_text()
        if behaviour == "later":
            return "451 come again"
        if behaviour == "never":
            return "550 nothing of the kind"
        if behaviour == "hang":
            await asyncio.sleep(3600)
        head = json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos}).encode()
        name = f"{next(self.numbers):04}"
        whole = self.folder / f"{name}.new"
        whole.write_bytes(head + b"\n" + envelope.original_content)
        whole.rename(self.folder / f"{name}.mail")
        if behaviour == "die":
            server.transport.abort()
        return "250 kept"


def signed(subject, issuer, *extensions):
    """A key and its certificate; `issuer` is such a pair, or nothing where it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer[1].subject if issuer else name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return key, builder.sign(issuer[0] if issuer else key, hashes.SHA256())


def certificate(folder):
    """TLS as `localhost`, signed by FOLDER/authority.pem."""
    authority = signed("Authority of a test", None, x509.BasicConstraints(ca=True, path_length=0))
    key, own = signed("mail", authority, x509.SubjectAlternativeName([x509.DNSName("localhost")]))
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(authority[1].public_bytes(pem))
    (folder / "own.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()) + own.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem")
    return context


async def serve(folder, tls, password=None):
    (folder / "behaviour").write_text("take")
    context = certificate(folder)

    def is_known(server, session, envelope, mechanism, given):
        return AuthResult(success=(given.login, given.password) == (b"lab", (password or "").encode()), handled=False)

    options = {"tls_context": context, "require_starttls": True} if tls == "starttls" else {}
    if password is not None:
        options |= {"authenticator": is_known, "auth_required": True, "auth_require_tls": tls == "starttls"}
    loop, keep = asyncio.get_running_loop(), Keep(folder)
    server = await loop.create_server(
        lambda: SMTP(keep, **options), "127.0.0.1", 0, ssl=context if tls == "implicit" else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), *sys.argv[2:]))
