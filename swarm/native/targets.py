"""Where a request goes: the origin of a URL, and its target on the wire."""

from __future__ import annotations

from dataclasses import dataclass

from geventhttpclient.url import URL
from twinload_engine import is_plain_path

DEFAULT_PORTS = {"http": 80, "https": 443}
TARGETS_KEPT = 16_384


@dataclass(frozen=True, slots=True)
class Origin:
    """A server: scheme, host (no brackets) and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: URL) -> Origin:
        """Return the origin of a URL.

        Raises: ValueError when it is neither http nor https, or has no host.
        """
        if url.scheme not in DEFAULT_PORTS or not url.host:
            raise ValueError(f"{url}: give a URL that begins with http:// or https:// and names a host")
        return cls(url.scheme, url.host, url.port or DEFAULT_PORTS[url.scheme])

    @property
    def header(self) -> str:
        """What a Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


class Targets:
    """Targets on the wire of the paths below one base URL; those that are not plain are worked out once."""

    __slots__ = ("_base", "found", "origin", "prefix")

    def __init__(self, base_url: str) -> None:
        self.origin = Origin.of(URL(base_url))
        self._base = base_url
        root = base_url.find("/", base_url.index("://") + 3)
        prefix = "" if root < 0 else base_url[root:]
        is_plain = not prefix or (prefix != "/" and "?" not in prefix and is_plain_path(prefix))
        self.prefix = prefix if is_plain else None
        """What makes a plain path a target when it is put before it; None when that takes more."""
        self.found: dict[str, str] = {}

    def find(self, path: str) -> str:
        """Return the target of a path that begins with a slash: percent-encoded, without a fragment.

        Raises: ValueError when the base URL and the path make no target.
        """
        if self.prefix is not None and is_plain_path(path):
            return self.prefix + path
        target = self.found.get(path)
        if target is None:
            target = target_of(URL(self._base + path))
            if len(self.found) >= TARGETS_KEPT:
                self.found.clear()
            self.found[path] = target
        return target


def target_of(url: URL) -> str:
    """Return the target of a URL on the wire."""
    return checked(url.quoted_uri or "/")


def checked(target: str) -> str:
    """Return a target that begins with one slash.

    Raises: ValueError for one that begins with two: a server would read a host in it.
    """
    if target.startswith("//"):
        raise ValueError(f"invalid request URI {target!r}: begin the path with one slash")
    return target if target.startswith("/") else "/" + target
