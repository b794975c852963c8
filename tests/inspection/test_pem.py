"""PEM is told from other text."""

import pytest

from gateway.inspection.detector import Detector
from gateway.inspection.pem import PEM, is_pem
from gateway.policy.agreement import dangerous_disguise
from gateway.policy.groups import Group, group_of

BLOCK = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
# As openssl 3.0 writes them, with shorter numbers.
WRITTEN = {
    "x509 -text": b"""\
Certificate:
    Data:
        Version: 3 (0x2)
        Validity
            Not Before: Nov 25 16:24:43 2026 GMT
                Modulus:
                    00:db:5d:7e:33:04:83:cf:48:2f:11:09:5c:0f:f5:
                    81
        X509v3 extensions:
            X509v3 Basic Constraints: critical
                CA:TRUE
""",
    "rsa -text": b"""\
Private-Key: (2048 bit, 2 primes)
modulus:
    00:db:5d:7e:33:04:83:cf:48:2f:11:09:5c:0f:f5:
publicExponent: 65537 (0x10001)
prime1:
    00:db:
""",
    "pkcs12 -nodes": b"""\
Bag Attributes
    localKeyID: E6 BB D2 6E 74 A6 51 8F 19 03 DF 5D 57 FE 9A D6 07 84 46 2A\x20
subject=CN = x
issuer=CN = x
""",
    "pkcs12 -nodes, the key": b"Key Attributes: <No Attributes>\n",
}
ENCRYPTED = b"""\
-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,E0B05E0399610509ACF860DA927020E4

8D/4+jRbNVRU40DsVvVqoAcoR+POOdTtVFWuBZlhUCp4jrg1s+3bqhkRiaQQevHi
awdZ
-----END RSA PRIVATE KEY-----
"""


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("what", WRITTEN)
def test_what_openssl_writes(what: str, line_end: bytes) -> None:
    for block in (BLOCK, ENCRYPTED):
        head = (WRITTEN[what] + block).replace(b"\n", line_end)
        assert Detector().detect(head) == PEM


@pytest.mark.parametrize(
    "head",
    [
        BLOCK,
        ENCRYPTED,
        b"\n  \n# A comment\n" + BLOCK,
        BLOCK.removesuffix(b"\n"),
        b"-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n" + BLOCK,
        b"-----BEGIN X509 CRL-----\n" + b"A" * 64 + b"\nAAAA",
    ],
)
def test_pem(head: bytes) -> None:
    assert is_pem(head)
    assert Detector().detect(head) == PEM


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (b"Dear all,\n\nhere it is:\n\n" + BLOCK, "text/plain"),
        (b"see " + BLOCK, "text/plain"),
        (b"-----BEGIN-----\nMIIB\n", "text/plain"),
        (b"-----BEGIN CERTIFICATE-----\nwhatever you like, and more\n", "text/plain"),
        (b"-----BEGIN certificate-----\nMIIB\n", "text/plain"),
        (b"-----BEGIN CERTIFICATE----- MIIB\n", "text/plain"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nMIIB\n", "application/pgp-keys"),
        (b"#!/bin/sh\n" + BLOCK, "text/x-shellscript"),
        (b"<?php $x = 1;\n" + BLOCK, "text/x-php"),
        (b"<html>\n" + BLOCK, "text/html"),
    ],
)
def test_something_else(head: bytes, content_type: str) -> None:
    assert Detector().detect(head) == content_type


def test_hostile_lines_cost_no_time() -> None:
    """A bound on the work, as the regular expressions cannot go back; the test has a time-out."""
    for line in (b"a:\n", b" \n", b"#\n", b"=:=:", b"-----BEGIN A-----\n", b"-----BEGIN "):
        for _ in range(100):
            assert not is_pem(line * (16384 // len(line)) + b"!!\n-----BEGIN A-----\n!")


def test_it_is_a_text_under_any_name() -> None:
    assert group_of(PEM) is group_of("text/plain") is Group.TEXT
    for name in ("pdf", "png", "zip", "txt", "docx"):
        assert dangerous_disguise((name,), PEM) == dangerous_disguise((name,), "text/plain")
