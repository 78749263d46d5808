"""The reference pair's own programs as a small pair: a plan in a folder of its own, few users, free ports."""

from __future__ import annotations

from pathlib import Path

from live_pair import ROOT, Pair

from clusters.ports import free_ports
from userpool import make_pool

BINARIES = {"go": ROOT / ".twinload" / "bin" / "wallet-go", "rust": ROOT / ".twinload" / "bin" / "wallet-rust"}
_PLAN = """\
schema = 1
label = "small"

[pool]
users = 200
seed = 1

{twins}
[[workload]]
name = "balance"
path = "/v1/users/{{user_id}}/balance"
hot = true

[engine]
queue_limit_s = 1.0

[stages]
kind = "steps"
rates_rps = [60.0, 120.0, 180.0]
warmup_s = 1
measure_s = 1

[search]
pairs = 2
time_limit_s = 120.0

{more}
"""
_TWIN = """\
[twins.{name}]
start = "process"
command = ["{binary}", "--listen", "{{address}}", "--data", "{{pool}}", "--serve", "hot", "--name", "{{name}}"]
cpu_set = [0]
ready = "/readyz"
metrics = "/metrics"

[[twins.{name}.instances]]
name = "{name}-1"
address = "127.0.0.1:{port}"
serves = ["balance"]

"""


def wallet_pair(folder: Path, *, more: str = "") -> Pair:
    """Write the plan, whose whole schedule takes some forty seconds, and its pool; return the pair."""
    folder.mkdir(parents=True)
    one, two = free_ports(2)
    ports = {"go": one, "rust": two}
    twins = "".join(_TWIN.format(name=name, binary=binary, port=ports[name]) for name, binary in BINARIES.items())
    (folder / "twinload.toml").write_text(_PLAN.format(twins=twins, more=more), encoding="utf-8")
    make_pool(200, 1, folder / ".twinload" / "pool")
    return Pair(folder, (one, two))
