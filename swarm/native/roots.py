"""The certificates that this machine trusts, for users that check a server's."""

from __future__ import annotations

import ssl
from pathlib import Path


def root_certificates() -> bytes:
    """Return the machine's root certificates as PEM, or certifi's where it has no file of them.

    SSL_CERT_FILE names another file, as it does for Python's own TLS.
    """
    found = ssl.get_default_verify_paths().cafile
    if found is None:
        import certifi

        found = certifi.where()
    return Path(found).read_bytes()
