"""A web server that speaks TLS, whose certificate only those trust who are told to.

Arguments: a file to serve, and where to write the authority's certificate. The first line of
standard output is the port. It ends when standard input does.
"""

import datetime
import hashlib
import http.server
import ipaddress
import os
import ssl
import sys
import tempfile
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CONTENT = open(sys.argv[1], "rb").read()
TAG = f'"{hashlib.sha256(CONTENT).hexdigest()[:16]}"'


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, with_body):
        start, end = 0, len(CONTENT)
        wanted = self.headers.get("Range")
        self.send_response(206 if wanted else 200)
        if wanted:
            first, last = wanted.removeprefix("bytes=").split("-")
            start, end = int(first), min(int(last) + 1, end)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", TAG)
        self.send_header("Last-Modified", self.date_time_string())
        self.end_headers()
        if with_body:
            self.wfile.write(CONTENT[start:end])

    def do_GET(self):
        self.answer(True)

    def do_HEAD(self):
        self.answer(False)

    def log_message(self, *_):
        pass


def certify(name, key, issuer, issuer_key, is_authority):
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def main():
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certify(named("authority"), authority, named("authority"), authority, True)
    leaf = certify(named("server"), own, named("authority"), authority, False)
    pem = serialization.Encoding.PEM
    with open(sys.argv[2], "wb") as file:
        file.write(root.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(leaf.public_bytes(pem))
        file.write(
            own.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.flush()
        context.load_cert_chain(file.name)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


main()
