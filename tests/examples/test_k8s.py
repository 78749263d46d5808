"""The example of pods: manifests that a cluster takes, and a plan that addresses each of their pods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from records.plan import Plan
from records.plan_file import read_plan

FOLDER = Path(__file__).parents[2] / "examples" / "k8s"
MANIFESTS = [
    pytest.param(manifest, id=f"{manifest['kind']}/{manifest['metadata']['name']}")
    for name in ("pool.yaml", "twins.yaml")
    for manifest in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))
]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan(FOLDER / "twinload.toml", environ={})


def manifests(kind: str) -> dict[str, dict[str, Any]]:
    found: list[dict[str, Any]] = [param.values[0] for param in MANIFESTS]  # type: ignore[misc]
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


def pods() -> dict[str, dict[str, Any]]:
    """Return the stateful set of each pod, by the pod's name."""
    sets = manifests("StatefulSet")
    return {f"{name}-{i}": one for name, one in sets.items() for i in range(one["spec"]["replicas"])}


@pytest.mark.parametrize("version", ["1.28", "1.37"])
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_cluster_takes_the_manifest(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_the_validator_sees_a_misspelt_key() -> None:
    broken = json.loads(json.dumps(manifests("StatefulSet")["wallet-go"]))
    broken["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(broken, "1.37", strict=True)


def test_every_pod_is_addressed_by_its_headless_service_and_watched_by_its_name(plan: Plan) -> None:
    services = manifests("Service")
    addressed = {}
    for twin in plan.twins.values():
        for instance in twin.instances:
            host, port = instance.address.split(":")
            pod, service = host.split(".")
            spec = services[service]["spec"]
            assert spec["clusterIP"] == "None"
            assert spec["selector"] == pods()[pod]["spec"]["selector"]["matchLabels"]
            assert pods()[pod]["spec"]["serviceName"] == service
            (exposed,) = spec["ports"]
            assert exposed["port"] == int(port)
            addressed[instance.name] = pod
    assert set(addressed.values()) == set(pods())
    assert plan.watch.names == addressed


def test_pods_have_the_same_resources_and_the_plan_says_their_sum(plan: Plan) -> None:
    limits = {pod: _container(one)["resources"] for pod, one in pods().items()}
    (same,) = {json.dumps(one, sort_keys=True) for one in limits.values()}
    assert json.loads(same) == {part: {"cpu": "1", "memory": "512Mi"} for part in ("requests", "limits")}
    for twin in plan.twins.values():
        assert (twin.cpus, twin.memory) == (len(twin.instances), len(twin.instances) * 512 << 20)


def test_pods_use_as_many_threads_as_their_limit_has_cores() -> None:
    for one in pods().values():
        (env,) = [env for env in _container(one)["env"] if "value" in env]
        assert env["name"] in ("GOMAXPROCS", "WORKERS")
        assert env["value"] == _container(one)["resources"]["limits"]["cpu"]


def test_the_plan_asks_for_what_the_shipped_plan_asks_for(plan: Plan) -> None:
    shipped = read_plan(FOLDER.parents[1] / "twinload.toml", environ={})
    assert [(one.name, one.path, one.weight) for one in plan.workload] == [
        (one.name, one.path, one.weight) for one in shipped.workload
    ]
    serves = [[one.serves for one in twin.instances] for twin in plan.twins.values()]
    assert serves == [[one.serves for one in twin.instances] for twin in shipped.twins.values()]
    assert plan.pool.seed == shipped.pool.seed


def _container(stateful_set: dict[str, Any]) -> dict[str, Any]:
    (container,) = stateful_set["spec"]["template"]["spec"]["containers"]
    return dict(container)
