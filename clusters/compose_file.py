"""The compose file of a plan: plan -> services -> text. Pure, and the same text for the same plan.

Valid for compose 1.27 and later, 2 included (so it has no `version`). A service is named as its instance. What is a
secret stays `${NAME}`: compose takes it from its own environment, as the plan does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from clusters.command import POOL, container_arguments, split_address
from records.plan import InstancePlan, Plan, TwinPlan
from records.plan_compose import container_cpus, container_memory_bytes, image_of, program_of

PROJECT: Final = "twinload.project"
TWIN: Final = "twinload.twin"
INSTANCE: Final = "twinload.instance"
SERVES: Final = "twinload.serves"
ADDRESS: Final = "twinload.address"

MARK: Final = "twinload.mark"  # on what a command started: it removes that and nothing else
USER: Final = "65534:65534"  # nobody: the image needs no such name
DOCKERFILE: Final = "${TWIN_DOCKERFILE:-Dockerfile}"
_DOLLAR: Final = re.compile(r"\$(?!\{[A-Za-z_][A-Za-z0-9_]*\})")
_PLAIN: Final = re.compile(r"^[A-Za-z][A-Za-z0-9_-]*$")
_YAML_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})

Value = str | int | float | bool | Sequence["Value"] | Mapping[str, "Value"]

_HEAD: Final = """\
# Written by `twinload compose` from the plan: change the plan, then write it again.
#
#   make images                                          images from scratch, of binaries built here; no hub is needed
#   TWIN_DOCKERFILE=Dockerfile.prebuilt docker-compose up    the same by hand; without the variable the binaries are
#                                                        built in containers, from the hub's golang and rust images
#
# Each container: no root, no capabilities, nothing to write to, limits equal for both twins.
"""


def compose_text(plan: Plan, mark: str | None = None) -> str:
    """Return the compose file of a plan whose twins are started as containers; external twins are not in it.

    `mark` is put on every container, by which its starter knows it again.
    """
    lines = [_HEAD, "x-twin: &twin", *_block(_common(plan), 1), "", "services:"]
    for twin, instance in _instances(plan):
        lines += [f"  {instance.name}:", "    <<: *twin", *_block(_service(plan, twin, instance, mark), 2), ""]
    return "\n".join(lines).rstrip() + "\n"


def _instances(plan: Plan) -> Iterator[tuple[str, InstancePlan]]:
    return ((name, one) for name, twin in plan.twins.items() if twin.start == "compose" for one in twin.instances)


def _common(plan: Plan) -> dict[str, Value]:
    network: dict[str, Value] = {"network_mode": "host"} if plan.compose.network == "host" else {}
    return {
        **network,
        "user": USER,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": plan.compose.pids,
        "stop_grace_period": "5s",
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "2"}},
        "volumes": [{"type": "bind", "source": _source(plan.pool.folder), "target": POOL, "read_only": True}],
    }


def _source(folder: str) -> str:
    """Return a folder as compose tells it from a volume's name."""
    return folder if Path(folder).is_absolute() else f"./{folder}"


def _service(plan: Plan, twin_name: str, instance: InstancePlan, mark: str | None) -> dict[str, Value]:
    twin = plan.twins[twin_name]
    program = program_of(twin, instance) or ""
    host, port = split_address(instance.address)
    ports: dict[str, Value] = {"ports": [f"{host}:{port}:{port}"]} if plan.compose.network == "bridge" else {}
    variables: dict[str, Value] = {name: _escaped(value) for name, value in {**twin.env, **instance.env}.items()}
    return {
        "image": image_of(program),
        "build": {"context": ".", "dockerfile": f"{plan.compose.images[program]}/{DOCKERFILE}"},
        "command": [_escaped(word) for word in container_arguments(plan, twin, instance)],
        **({"environment": variables} if variables else {}),
        **ports,
        **_limits(twin),
        "healthcheck": _health(plan, program, twin, instance),
        "labels": {
            PROJECT: plan.compose.project,
            TWIN: twin_name,
            INSTANCE: instance.name,
            SERVES: ",".join(instance.serves),
            ADDRESS: instance.address,
            **({MARK: mark} if mark else {}),
        },
    }


def _limits(twin: TwinPlan) -> dict[str, Value]:
    limits: dict[str, Value] = {}
    cpus, memory = container_cpus(twin), container_memory_bytes(twin)
    if cpus is not None:
        limits["cpus"] = round(cpus, 4)
    if twin.cpu_set:
        limits["cpuset"] = ",".join(map(str, twin.cpu_set))
    if memory is not None:
        limits |= {"mem_limit": f"{memory >> 20}m", "memswap_limit": f"{memory >> 20}m"}
    return limits


def _health(plan: Plan, program: str, twin: TwinPlan, instance: InstancePlan) -> dict[str, Value]:
    if not plan.compose.check:
        return {"disable": True}
    address = instance.address
    if plan.compose.network == "bridge":
        address = f"127.0.0.1:{split_address(address)[1]}"
    url = f"http://{address}{twin.ready}"
    test: list[Value] = ["CMD", f"/{program}", *(_escaped(word.replace("{url}", url)) for word in plan.compose.check)]
    interval = f"{plan.compose.health_interval_s}s"
    return {"test": test, "interval": interval, "timeout": "5s", "retries": 3}


def _escaped(text: str) -> str:
    """Keep `${NAME}` for compose to fill in, and every other dollar as it stands."""
    return _DOLLAR.sub("$$", text)


def _block(tree: Mapping[str, Value], depth: int) -> Iterator[str]:
    """Yield one line a key, its value in flow style: every scalar but a plain word is quoted."""
    for key, value in tree.items():
        yield f"{'  ' * depth}{_key(key)}: {_flow(value)}"


def _flow(value: Value) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, str | bool | int | float):
        return json.dumps(value, ensure_ascii=False)
    return "[" + ", ".join(map(_flow, value)) + "]"


def _key(key: str) -> str:
    """Return a key; a dotted label or a word that YAML reads as something else is quoted."""
    return key if _PLAIN.match(key) and key.lower() not in _YAML_WORDS else json.dumps(key)
