"""A user's cookies: the standard library's jar, with the header line of a URL kept until a cookie changes."""

from __future__ import annotations

from http.cookiejar import Cookie, CookieJar
from math import inf
from typing import Any

LINES_KEPT = 256


class Jar(CookieJar):
    """Cookies of one session; `used` once it has held one."""

    def __init__(self) -> None:
        super().__init__()
        self.used = False
        self._lines: dict[str, bytes] = {}
        self._until_s = inf

    def line(self, request: Any, now_s: float) -> bytes:
        """Return the Cookie header line of a request, b"" without cookies for it.

        Args:
            request: a new request to the URL; a Cookie header is added to its headers.
            now_s: seconds since the epoch.
        """
        self.add_cookie_header(request)
        value = request.headers.get("cookie")
        line = f"Cookie: {value}\r\n".encode("latin-1") if value is not None else b""
        if len(self._lines) >= LINES_KEPT:
            self._lines.clear()
        if not self._lines:
            self._until_s = min((c.expires for c in self if c.expires is not None), default=inf)
        if now_s < self._until_s:
            self._lines[request.url] = line
        return line

    def known_line(self, url: str, now_s: float) -> bytes | None:
        """Return the Cookie header line of a URL when it was worked out before and no cookie changed or expired."""
        if now_s >= self._until_s:
            self._lines.clear()
        return self._lines.get(url)

    def set_cookie(self, cookie: Cookie) -> None:
        """Take a cookie; the lines that were worked out are dropped when it says anything new."""
        held = self._cookies.get(cookie.domain, {}).get(cookie.path, {}).get(cookie.name)  # type: ignore[attr-defined]
        if held is None or held.value != cookie.value or held.expires != cookie.expires or held.secure != cookie.secure:
            self._lines.clear()
        self.used = True
        super().set_cookie(cookie)

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        """Remove cookies, as the standard library's jar does."""
        self._lines.clear()
        super().clear(domain, path, name)
