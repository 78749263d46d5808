"""The jar: the standard library's cookies, with the header line of a URL kept while nothing changes."""

from __future__ import annotations

from email.message import Message

from geventhttpclient.header import Headers
from geventhttpclient.useragent import CompatRequest

from swarm.native.cookies import Jar

URL = "http://127.0.0.1/x"


class Answer:
    def __init__(self, *cookies: str) -> None:
        self.message = Message()
        for cookie in cookies:
            self.message["Set-Cookie"] = cookie

    def info(self) -> Message:
        return self.message


def request(url: str = URL) -> CompatRequest:
    return CompatRequest(url, headers=Headers())


def take(jar: Jar, *cookies: str) -> None:
    jar.extract_cookies(Answer(*cookies), request())  # type: ignore[arg-type]


def test_a_line_is_kept_until_a_cookie_says_something_new() -> None:
    jar = Jar()
    assert not jar.used
    take(jar, "a=1")
    assert jar.used
    assert jar.line(request(), 0.0) == b"Cookie: a=1\r\n"
    take(jar, "a=1")
    assert jar.known_line(URL, 0.0) == b"Cookie: a=1\r\n"
    take(jar, "a=2")
    assert jar.known_line(URL, 0.0) is None
    assert jar.line(request(), 0.0) == b"Cookie: a=2\r\n"


def test_a_url_without_cookies_is_kept_too() -> None:
    jar = Jar()
    take(jar, "a=1; Path=/deep")
    assert jar.line(request(), 0.0) == b""
    assert jar.known_line(URL, 0.0) == b""


def test_a_line_ends_with_the_first_cookie_that_expires() -> None:
    jar = Jar()
    take(jar, "a=1; Max-Age=100", "b=2")
    expires_s = min(cookie.expires for cookie in jar if cookie.expires is not None)
    assert jar.line(request(), expires_s - 1) == b"Cookie: a=1; b=2\r\n"
    assert jar.known_line(URL, expires_s - 1) is not None
    assert jar.known_line(URL, expires_s) is None


def test_clearing_drops_the_lines() -> None:
    jar = Jar()
    take(jar, "a=1")
    jar.line(request(), 0.0)
    jar.clear()
    assert jar.known_line(URL, 0.0) is None
    assert jar.line(request(), 0.0) == b""
