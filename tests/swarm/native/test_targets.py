"""Targets on the wire: what geventhttpclient makes of a URL, without asking it for plain paths."""

from __future__ import annotations

import pytest
from geventhttpclient.url import URL
from hypothesis import given
from hypothesis import strategies as st

from swarm.native.targets import TARGETS_KEPT, Origin, Targets

BASES = ("http://h", "http://h:81", "https://h/below", "http://h/below/", "http://h/a b")
paths = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30).map(
    lambda text: "/x" + text
)


@given(st.sampled_from(BASES), paths)
def test_a_target_is_the_one_that_geventhttpclient_sends(base: str, path: str) -> None:
    if "//" in base.split("//", 1)[1] + path and base.endswith("/"):
        path = path.lstrip("/")
    expected = URL(base + path).quoted_uri
    assert Targets(base).find(path) == expected


@pytest.mark.parametrize(
    ("url", "origin", "header"),
    [
        ("http://h/", Origin("http", "h", 80), "h"),
        ("http://h:81", Origin("http", "h", 81), "h:81"),
        ("https://user:word@H/x", Origin("https", "h", 443), "h"),
        ("https://[::1]:8443/x", Origin("https", "::1", 8443), "[::1]:8443"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: Origin, header: str) -> None:
    assert Origin.of(URL(url)) == origin
    assert origin.header == header


@pytest.mark.parametrize("url", ["ftp://h/", "h:80", "/a", "http:///a", ""])
def test_what_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="give a URL"):
        Origin.of(URL(url))


def test_a_target_never_begins_with_two_slashes() -> None:
    with pytest.raises(ValueError, match="one slash"):
        Targets("http://h").find("//other/a")


def test_targets_that_are_kept_are_bounded() -> None:
    targets = Targets("http://h")
    for number in range(TARGETS_KEPT + 10):
        targets.find(f"/ {number}")
    assert len(targets.found) == 10
