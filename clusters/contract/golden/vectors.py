"""Golden vectors: a question, the one right answer, and the sentences it shows; one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clusters.contract.answers import Answer, Request, answer
from clusters.contract.golden.cases import all_cases
from clusters.contract.golden.ledger import golden_ledger

VECTORS_FILE = Path(__file__).with_name("vectors.jsonl")


@dataclass(frozen=True, slots=True)
class Vector:
    """A case with its answer; the body is text, as every body of the contract is ASCII."""

    name: str
    sentences: tuple[str, ...]
    serve: Literal["any", "hot", "all"]
    request: Request
    answer: Answer

    def holds_on(self, serve: str) -> bool:
        """Say whether an instance that serves `hot` or `all` must answer so."""
        return self.serve in ("any", serve)


def make_vectors() -> tuple[Vector, ...]:
    """Answer every case with the oracle."""
    ledger = golden_ledger()
    return tuple(
        Vector(
            case.name,
            case.sentences,
            case.serve,
            case.request,
            answer(case.request, ledger, serve="all" if case.serve == "all" else "hot"),
        )
        for case in all_cases()
    )


def encode_vectors(vectors: Iterable[Vector]) -> str:
    """Return the text of `vectors.jsonl`."""
    return "".join(json.dumps(_document(vector), separators=(",", ":")) + "\n" for vector in vectors)


def _document(vector: Vector) -> dict[str, object]:
    return {
        "name": vector.name,
        "sentences": vector.sentences,
        "serve": vector.serve,
        "request": {
            "method": vector.request.method,
            "target": vector.request.target,
            "headers": vector.request.headers,
        },
        "status": vector.answer.status,
        "headers": vector.answer.headers,
        "body": vector.answer.body.decode("ascii"),
    }


def read_vectors(file: Path = VECTORS_FILE) -> tuple[Vector, ...]:
    """Return the vectors of a file, in its order."""
    return tuple(_decode(line) for line in file.read_text(encoding="ascii").splitlines())


def _decode(line: str) -> Vector:
    document = json.loads(line)
    request = document["request"]
    return Vector(
        document["name"],
        tuple(document["sentences"]),
        document["serve"],
        Request(request["method"], request["target"], _pairs(request["headers"])),
        Answer(document["status"], _pairs(document["headers"]), document["body"].encode("ascii")),
    )


def _pairs(rows: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in rows)
