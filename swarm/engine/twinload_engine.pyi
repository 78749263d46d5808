"""The engine: sends, times and counts in threads of its own, without Python's lock."""

def monotonic_ns() -> int:
    """Return the monotonic clock in ns, the one that every part of a run counts on."""
