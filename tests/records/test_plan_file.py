"""Reading a plan: every fault at once, overrides from the environment and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from records.errors import PlanError
from records.plan_file import check_plan, inspect_plan, plan_digest, plan_tree, read_plan
from records.plan_types import parse_bytes

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "twinload.toml"


def faults_of(
    tmp_path: Path, text: str, *, sets: tuple[str, ...] = (), environ: dict[str, str] | None = None
) -> list[str]:
    path = tmp_path / "twinload.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        read_plan(path, sets=sets, environ=environ or {})
    return [str(fault) for fault in caught.value.faults]


def test_the_shipped_plan_has_no_faults_and_names_the_published_pair() -> None:
    plan = read_plan(SHIPPED, environ={})
    assert (plan.baseline, plan.candidate) == ("go", "rust")
    assert plan.sweeps == ("balance", "statistics")
    assert plan.pool.users == 16_000


def test_the_plan_that_init_writes_has_no_faults() -> None:
    plan = read_plan(ROOT / "twinload" / "templates" / "plan.toml", environ={})
    assert (plan.baseline, plan.candidate) == ("baseline", "candidate")


def test_all_faults_of_all_sources_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        SHIPPED.read_text(encoding="utf-8")
        .replace("users = 16000", 'users = "many"')
        .replace('sender = "native-schedule"', "")
    )
    faults = faults_of(tmp_path, text, sets=("swarm.seats=0", "nonsense"), environ={"TWINLOAD_POOL__SEED": "-1"})
    joined = "\n".join(faults)
    assert "pool.users = 'many'" in joined
    assert "swarm.seats = 0" in joined
    assert "pool.seed = -1" in joined
    assert "--set nonsense: give KEY=VALUE" in joined
    assert len(faults) == 4


def test_an_unknown_key_is_named_with_its_path(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, SHIPPED.read_text(encoding="utf-8") + "\n[cats]\nfur = 1\n")
    assert any(fault.startswith("cats") and "is no key of a plan" in fault for fault in faults)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="twinload init"):
        read_plan(tmp_path / "none.toml", environ={})


def test_broken_toml_is_named_with_its_line(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, "schema = \n")
    assert "line 1" in fault


def test_set_wins_over_the_environment_which_wins_over_the_file() -> None:
    environ = {"TWINLOAD_SWARM__SEATS": "300", "TWINLOAD_SLO__P99_MS": "5.5"}
    plan = read_plan(SHIPPED, sets=("swarm.seats=200",), environ=environ)
    assert plan.swarm.seats == 200
    assert plan.slo.p99_ms == 5.5


def test_a_list_is_addressed_by_position() -> None:
    plan = read_plan(SHIPPED, sets=("workload.1.weight=7.0", "stages.fractions=[0.5]"), environ={})
    assert plan.workload[1].weight == 7.0
    assert plan.stages.fractions == [0.5]


def test_equal_plans_written_apart_have_equal_digests() -> None:
    one = read_plan(SHIPPED, environ={})
    two = read_plan(SHIPPED, sets=(f"swarm.timeout_s={one.swarm.timeout_s}",), environ={})
    other = read_plan(SHIPPED, sets=(f"swarm.timeout_s={one.swarm.timeout_s + 1}",), environ={})
    assert plan_digest(one) == plan_digest(two) != plan_digest(other)


@pytest.mark.parametrize(("text", "size"), [("1KiB", 1024), ("1.5MiB", 1_572_864), ("2GiB", 2_147_483_648), ("7B", 7)])
def test_sizes_are_read_with_their_units(text: str, size: int) -> None:
    assert parse_bytes(text) == size


def test_a_key_that_moved_says_where_it_is_now(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, SHIPPED.read_text(encoding="utf-8"), sets=('search.asked=["capacity"]',))
    assert len(faults) == 1
    assert faults[0].startswith("search.asked: is verdict.ask now")


@pytest.mark.parametrize("text", ["1GB", "GiB", "-1MiB", ""])
def test_a_size_without_a_known_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="512MiB"):
        parse_bytes(text)


def test_a_wrong_number_hides_no_fault_between_sections(tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8").replace("127.0.0.1:18201", "127.0.0.1:18101")
    joined = "\n".join(faults_of(tmp_path, text, sets=("swarm.seats=abc", "stages.bogus=1", "shadow.bound=0")))
    assert "swarm.seats = 'abc'" in joined
    assert "stages.bogus = 1: is no key of a plan" in joined
    assert "shadow.bound = 0" in joined
    assert "twins.rust.instances.rust-1.address = 127.0.0.1:18101: go-1 has this address already" in joined


@pytest.mark.parametrize(
    ("setting", "only"),
    [
        ('pool.users="many"', "pool.users"),
        ("workload.0.name=1", "workload.0.name"),
        ("twins.rust.instances.0.serves=1", "twins.rust.instances.0.serves"),
        ("twins.go.cpus=0", "twins.go.cpus"),
        ('twins.go.start="by hand"', "twins.go.start"),
        ('stages.rates_rps="fast"', "stages.rates_rps"),
        ("twins.go.instances=[]", "twins.go.instances"),
        ("twins=1", "twins"),
        ("workload=[]", "workload"),
    ],
)
def test_what_follows_from_a_left_out_key_is_not_told(tmp_path: Path, setting: str, only: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8").replace('kind = "probe"', 'kind = "steps"\nrates_rps = [20.0]')
    assert [fault.split(" ")[0].rstrip(":") for fault in faults_of(tmp_path, text, sets=(setting,))] == [only]


def test_faults_after_a_left_out_element_keep_their_positions() -> None:
    tree = plan_tree(read_plan(SHIPPED, environ={}))
    tree["workload"][0]["weight"] = -1.0  # required keys stay: only the weight is left out
    del tree["workload"][1]["path"]  # the whole entry is left out
    tree["workload"][2]["hot"] = "yes"
    tree["stages"] |= {"kind": "soak"}  # seen in the same round
    with pytest.raises(PlanError) as caught:
        check_plan(tree, "plan")
    assert [fault.path for fault in caught.value.faults] == [
        "workload.0.weight", "workload.1.path", "workload.2.hot", "stages",
    ]  # fmt: skip
    assert tree["workload"][2]["hot"] == "yes"  # the tree itself is left as it is


def test_a_guessed_key_is_known_with_all_that_stands_below_it() -> None:
    reading = inspect_plan(SHIPPED, sets=("swarm.seats=abc", "swarm.sea=1"), environ={})
    assert reading.plan is not None
    assert [reading.is_guessed(path) for path in ("swarm.seats", "swarm", "swarm.sea", "swarm.cpu_set")] == [
        True, True, False, False,
    ]  # fmt: skip
