"""`[watch]`: where CPU and memory of external twins come from. Twins that are started here need nothing of it."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from records.plan_types import Section

PODS: Final = "$pods"
_CHOSEN: Final = '{container!="",container!="POD",pod=~"$pods"}[2m]'


class WatchPlan(Section):
    """`[watch]`: the figures of external twins.

    external: "scrape" reads `process_cpu_seconds_total` and `process_resident_memory_bytes` of each instance at its
    twin's `metrics` path, "auto" does so where that page has them, "prometheus" asks a Prometheus server at `url`,
    "none" leaves them unknown. interval_s: how often is asked; what the answers resolve is the scrapes' own interval.
    cpu, memory: selectors with a range, so that each sample keeps the time of its scrape; `$pods` becomes all names as
    a regular expression. label: what names the instance in an answer. names: by instance its name there, where that is
    another one. headers: for the server; secrets as `${NAME}`.
    """

    external: Literal["auto", "scrape", "prometheus", "none"] = "auto"
    interval_s: float = Field(default=1.0, ge=0.1, le=60)
    url: str | None = None
    cpu: str = f"container_cpu_usage_seconds_total{_CHOSEN}"
    memory: str = f"container_memory_working_set_bytes{_CHOSEN}"
    label: str = "pod"
    names: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    ca_file: str | None = None

    @field_validator("cpu", "memory")
    @classmethod
    def _has_a_range(cls, value: str) -> str:
        if not value.rstrip().endswith("]"):
            raise ValueError("ends in a range, such as [2m], so that samples keep the time of their scrape")
        return value

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError('a Prometheus server has a URL such as "http://127.0.0.1:9090"')
        return value

    @model_validator(mode="after")
    def _server_is_named(self) -> Self:
        if self.external == "prometheus" and self.url is None:
            raise ValueError('external = "prometheus" needs url: where the server answers')
        return self
