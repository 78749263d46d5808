"""What a command says: the result on stdout, the talk on stderr, as loud as was asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape


@dataclass(slots=True)
class Talk:
    """Speaks to the person. `loudness`: -1 quiet (faults alone), 0 normal, 1 verbose."""

    loudness: int = 0
    out: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    err: Console = field(default_factory=lambda: Console(stderr=True, highlight=False, soft_wrap=True))

    def say(self, text: str) -> None:
        """Tell of progress."""
        if self.loudness >= 0:
            self.err.print(escape(text))

    def detail(self, text: str) -> None:
        """Tell what only `-v` wants to know."""
        if self.loudness > 0:
            self.err.print(escape(text), style="dim")

    def fault(self, text: str) -> None:
        """Tell what went wrong, however quiet it should be."""
        self.err.print(f"[bold red]twinload:[/] {escape(text)}")
