from __future__ import annotations

import msgspec

from records.usage import ContainerUsage, HostUsage, UsageLine

HOST = HostUsage(2.0, 0.1, (1.0, 1.0), 5)


def test_a_line_comes_back_with_what_containers_show() -> None:
    shown = ContainerUsage(60, 59, 2.95, 0.5, 1 << 20, 7, None, None)
    line = UsageLine(9, "t", 3, (1.5, None), (1, None), (None, None), (2, None), HOST, (None, 8), (shown, None))
    assert msgspec.json.decode(msgspec.json.encode(line), type=UsageLine) == line


def test_a_line_from_before_these_columns_is_read() -> None:
    tree = msgspec.to_builtins(UsageLine(9, "t", 3, (1.5,), (1,), (None,), (2,), HOST))
    del tree["sampled_ns"], tree["containers"]
    line = msgspec.convert(tree, UsageLine)
    assert (line.sampled_ns, line.containers) == ((), ())
