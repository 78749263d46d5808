"""Pseudonyms: keyed, stable, not to be undone without the key. HMAC-SHA-256, base32, 26 characters (130 bits)."""

from __future__ import annotations

import hmac
from base64 import b32encode
from pathlib import Path
from typing import Final

from userpool.errors import KeyFault

LENGTH: Final = 26
KEY_MIN_BYTES: Final = 16
_OTHERS: Final = 0o077


def read_key(key_file: Path) -> bytes:
    """Return the key: the file's bytes without one line end after them.

    Raises: KeyFault when the file is missing, shorter than 16 bytes, or may be read by others.
    """
    recipe = f"make one with: (umask 077; head -c 32 /dev/urandom > {key_file})"
    try:
        if key_file.stat().st_mode & _OTHERS:
            raise KeyFault(f"{key_file}: others may read this key; close it with: chmod 600 {key_file}")
        key = key_file.read_bytes().removesuffix(b"\n")
    except OSError as error:
        raise KeyFault(f"{key_file}: the key cannot be read ({error.strerror}); {recipe}") from None
    if len(key) < KEY_MIN_BYTES:
        raise KeyFault(f"{key_file}: the key has {len(key)} bytes, at least {KEY_MIN_BYTES} are needed; {recipe}")
    return key


def pseudonym(key: bytes, raw_id: bytes) -> str:
    """Return the pseudonym of an id under a key: lower-case base32 of HMAC-SHA-256, the first 26 characters."""
    return b32encode(hmac.digest(key, raw_id, "sha256"))[:LENGTH].decode().lower()
