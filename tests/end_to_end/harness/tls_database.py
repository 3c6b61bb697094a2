"""A MariaDB on loopback that takes TLS alone, with a certificate for 127.0.0.1 and no name: `tls_database.py FOLDER PASSWORD`.

Writes FOLDER/authority.pem, which signed that certificate, and FOLDER/stranger.pem, which did not; says the port on the first line of
standard output, and becomes the server. Its user is `lab`, the database `lab`.
"""

import ipaddress
import os
import shutil
import socket
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


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


def write(path, *things):
    with path.open("wb") as file:
        for thing in things:
            if isinstance(thing, x509.Certificate):
                file.write(thing.public_bytes(serialization.Encoding.PEM))
            else:
                file.write(thing.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))


def main(folder, password):
    folder = Path(folder)
    authority = signed("Authority of a test", None, x509.BasicConstraints(ca=True, path_length=0))
    server = signed("database", authority, x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]))
    write(folder / "authority.pem", authority[1])
    write(folder / "stranger.pem", signed("Stranger", None, x509.BasicConstraints(ca=True, path_length=0))[1])
    write(folder / "server.pem", server[1])
    write(folder / "server.key", server[0])
    (folder / "setup.sql").write_text(
        f"create database lab character set utf8mb4;\ncreate user lab@'%' identified by '{password}' require ssl;\ngrant all on lab.* to lab@'%';\n",
        encoding="utf-8",
    )
    as_user = []
    if os.getuid() == 0:
        as_user = ["--user=mysql"]
        folder.chmod(0o755)
        for path in (folder, *folder.glob("*.*")):
            shutil.chown(path, "mysql")
    rows = f"--datadir={folder}/rows"
    prepared = subprocess.run(
        ["mariadb-install-db", "--no-defaults", *as_user, rows, "--auth-root-authentication-method=normal", "--skip-test-db"], capture_output=True, text=True
    )
    if prepared.returncode != 0:
        sys.exit(prepared.stdout + prepared.stderr)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    print(port, flush=True)
    tls = [f"--ssl-cert={folder}/server.pem", f"--ssl-key={folder}/server.key", "--require-secure-transport=on"]
    place = [rows, f"--socket={folder}/sock", f"--pid-file={folder}/pid", f"--init-file={folder}/setup.sql"]
    os.execvp("mariadbd", ["mariadbd", "--no-defaults", *as_user, *place, f"--port={port}", "--bind-address=127.0.0.1", "--skip-log-bin", "--skip-name-resolve", *tls])


if __name__ == "__main__":
    main(*sys.argv[1:])
