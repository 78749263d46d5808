"""The engine: sends, times and counts in threads of its own, without Python's lock.

Importing makes no thread and no descriptor, so a process may fork after it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, final

def monotonic_ns() -> int:
    """Return the monotonic clock in ns, the one that every part of a run counts on."""

def body_hash(body: bytes) -> int:
    """Return the 64-bit hash of a body that `bodies` of a schedule's endpoints hold; never 0."""

def is_plain_path(path: object, /) -> bool:
    """Return whether a path is a target as it stands.

    It is text that begins with one slash, holds ASCII letters, digits and /-._~?&=:,@!$'()*+ alone, and ends with no
    question mark.
    """

class Pool:
    """The pool's users as a schedule draws them: columns for the templates, and a weight each.

    Args:
        columns: texts by column name, one per user; all of the same length.
        weights: how often each user is drawn, whole numbers; 0 is never.
    Raises: ValueError when lengths differ.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]], weights: Sequence[int]) -> None: ...
    def reweighted(self, weights: Sequence[int]) -> Pool:
        """Return the same users with other weights; the columns are shared."""

    def __len__(self) -> int: ...

class Schedule:
    """A sweep that the engine sends by itself, in threads of its own; dropping it ends it at once.

    Args:
        plan: JSON, see `swarm.engine_plan`.
        pool: who is drawn.
        start_ns: when the first stage begins, monotonic.
        from_ns: leave all that was meant for earlier to others (None: nothing).
    Raises: ValueError when the plan cannot be run, OSError when the machine refuses a thread or descriptor.
    """

    def __init__(self, plan: bytes, pool: Pool, start_ns: int, from_ns: int | None = None) -> None: ...
    def set_rate(self, rate_rps: float) -> None:
        """Change the rate of the stage under way, until its end; in effect within 10 ms."""

    def set_users(self, users: int) -> None:
        """Change the number of closed-loop users, until the next stage; in effect within 10 ms."""

    def stop(self) -> None:
        """Start nothing any more; what is on its way may end within its time-out."""

    def abort(self) -> None:
        """End at once; what is on its way fails as `stopped`."""

    @property
    def is_running(self) -> bool:
        """Whether anything may still be sent or answered."""

    def drain(self) -> bytes:
        """Return what every thread told since the last time, as JSON (see `swarm.engine_plan`).

        Raises: RuntimeError when a thread failed.
        """

@final
class Client:
    """One native thread that exchanges requests. Made late: never before a fork."""

    def __init__(self, *, max_connections: int = 20_000) -> None:
        """Start the thread.

        Args:
            max_connections: of all channels together; at most 1,000,000; the one that is idle longest gives way.
        Raises: OSError when the machine refuses a thread or a descriptor, ValueError for another number.
        """

    def fileno(self) -> int:
        """Return a descriptor (eventfd) that is readable when `completed` has something."""

    def completed(self) -> list[tuple[object, Reply]]:
        """Return all that ended since the last call, oldest first, with the tokens given to `submit`."""

    def channel(
        self,
        address: tuple[str, int],
        host: str,
        *,
        tls: Tls | None = None,
        connections: int = 10,
        connect_timeout_s: float = 60.0,
        timeout_s: float = 60.0,
    ) -> Channel:
        """Return a user's way to one origin; it connects when a request needs it.

        Args:
            address: numeric IPv4 or IPv6 address and port; names are the caller's to resolve.
            host: what the Host header says.
            connections: how many it may have at once; further requests wait for one.
            connect_timeout_s: how long connecting may take, TLS included.
            timeout_s: how long the server may send and take nothing while a request is on its way.
        Raises: ValueError for what cannot be, RuntimeError when the client is closed.
        """

    def vitals(self) -> Vitals:
        """Return what the thread knows of itself, at most some 50 ms old."""

    def close(self) -> None:
        """End the thread; what is on its way completes with error "stopped"."""

@final
class Tls:
    """How a channel is made secure."""

    def __init__(
        self,
        server_name: str,
        *,
        ca_pem: bytes | None = None,
        cert_pem: bytes | None = None,
        key_pem: bytes | None = None,
        verify: bool = True,
    ) -> None:
        """Read what a session needs; sessions of one `Tls` resume one another, so share it among channels.

        Args:
            server_name: DNS name or IP address (IPv6 without brackets) that the server's certificate must be for.
            ca_pem: certificates to trust instead of the system's, which take some ms to read.
            cert_pem: our own certificate, then those that vouch for it; only with `key_pem`.
            verify: whether certificate and name are checked. Without, anyone may answer in the server's place.
        Raises: ValueError says which part cannot be used and what to give.
        """

@final
class Channel:
    """One user's connections to one origin, kept alive."""

    def submit(
        self,
        method: str,
        target: str,
        headers: bytes,
        body: bytes | None,
        token: object,
        timeout_s: float | None = None,
        /,
    ) -> None:
        """Leave a request; `Client.completed` returns its token.

        An idempotent one is sent once more when its connection, idle for 1 s or longer, turns out to have been closed.

        Args:
            method: a token such as GET.
            target: path and query, visible ASCII.
            headers: lines `Name: value`, each with CR LF; Host and Content-Length are added unless they are there.
            timeout_s: in place of the channel's.
        Raises: ValueError for what cannot be framed safely, RuntimeError when channel or client is closed.
        """

    def close(self) -> None:
        """Close idle connections now and busy ones when what was submitted has ended."""

@final
class Reply:
    """How a request ended. Moments are monotonic ns (`monotonic_ns`), 0 when they never came."""

    @property
    def status(self) -> int:
        """The status; 0 when there was no answer."""
    def plain(self) -> tuple[float, int] | None:
        """Return ms from `submitted_ns` to `done_ns` and `raw_bytes`, when the answer asks nothing more of its reader.

        None unless the status is a registered success (200 to 208, 226) and no Set-Cookie or Content-Encoding came.
        """
    @property
    def reason(self) -> str:
        """The words after the status."""
    @property
    def http_version(self) -> str:
        """1.0 or 1.1."""
    @property
    def error(self) -> Literal["connect", "tls", "timeout", "reset", "other", "stopped"] | None:
        """Why there is no answer; None when there is one."""
    @property
    def detail(self) -> str | None:
        """More words on the error, such as "connection refused"."""
    @property
    def headers(self) -> list[tuple[str, str]]:
        """The header lines in their order; a new list each time."""
    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever the case of its name."""
    @property
    def body(self) -> bytes:
        """The body without gzip, deflate or br; as it came when Content-Encoding names another.

        Raises: ValueError when it is not what Content-Encoding says, or too large without it (1 GiB, or 1,100 times
        what came where that is more than 64 MiB).
        """
    @property
    def raw_bytes(self) -> int:
        """Bytes of the body on the wire, without framing."""
    @property
    def submitted_ns(self) -> int:
        """When it was submitted."""
    @property
    def sent_ns(self) -> int:
        """When it was sent, at last."""
    @property
    def first_byte_ns(self) -> int:
        """When the first byte of the answer came; 0 without an answer."""
    @property
    def done_ns(self) -> int:
        """When the answer was complete, or could not come any more."""

@final
class Vitals:
    """What the client's thread knows of itself: sums since its begin, but for `busy` and `waiting`."""

    @property
    def cpu_ns(self) -> int:
        """CPU time of the thread."""
    @property
    def opened(self) -> int:
        """Connections that were opened."""
    @property
    def closed(self) -> int:
        """Connections that were closed, by either side."""
    @property
    def refused(self) -> int:
        """Connects that failed."""
    @property
    def busy(self) -> int:
        """Requests on their way now."""
    @property
    def waiting(self) -> int:
        """Requests that wait for a connection now."""
