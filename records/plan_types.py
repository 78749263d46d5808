"""What sections of the plan are made of: their base, and the types of their values."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_ADDRESS = re.compile(r"^(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})$")
_PROJECT = re.compile(r"^[a-z0-9][a-z0-9_-]{0,62}$")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")
COLUMN = re.compile(r"(?<!\$)\{([a-z_0-9]+)\}")  # ${NAME} is an environment variable
REQUEST_ID = "request_id"  # the place of a text that no other request of a run has


def _name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError("a name has 1 to 63 letters, digits, - or _, and begins with a letter or digit")
    return value


def _address(value: str) -> str:
    match = _ADDRESS.match(value)
    if not match or not 1 <= int(match["port"]) <= 65_535:
        raise ValueError('an address is "host:port" with a port from 1 to 65535, such as "127.0.0.1:18101"')
    return value


def _project(value: str) -> str:
    if not _PROJECT.match(value):
        raise ValueError("a project has 1 to 63 lower-case letters, digits, - or _, and begins with a letter or digit")
    return value


def is_loopback(address: str) -> bool:
    """Say whether "host:port" can only be this machine: localhost or a loopback address."""
    host = address.rsplit(":", 1)[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_bytes(value: Any) -> Any:
    """Return a size such as "512MiB" in bytes; other values pass on to be judged by their type."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(B|KiB|MiB|GiB)\s*", value)
    if not match:
        raise ValueError('a size is a number with B, KiB, MiB or GiB, such as "512MiB"')
    return int(float(match[1]) * _BYTES[match[2]])


Name = Annotated[str, AfterValidator(_name)]
Project = Annotated[str, AfterValidator(_project)]
Address = Annotated[str, AfterValidator(_address)]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0)]
Cpu = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A section of the plan: no unknown key, no value of another type, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
