"""`python -m clusters.contract.golden`: checks `vectors.jsonl` against the oracle, or writes it anew.

python -m clusters.contract.golden               exit 1 when the file differs from what the oracle says
python -m clusters.contract.golden --update      writes vectors.jsonl
python -m clusters.contract.golden --data DIR    writes the golden ledger as a data directory for the twins
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clusters.contract.golden.ledger import golden_ledger
from clusters.contract.golden.vectors import VECTORS_FILE, encode_vectors, make_vectors
from clusters.contract.ledger import write_data_dir


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m clusters.contract.golden", description="The golden vectors.")
    parser.add_argument("--update", action="store_true", help="write vectors.jsonl from the oracle")
    parser.add_argument("--data", type=Path, metavar="DIR", help="write the golden ledger as a data directory")
    options = parser.parse_args(argv)
    if options.data is not None:
        sys.stdout.write(f"{write_data_dir(golden_ledger(), options.data)}\n")
        return 0
    vectors = make_vectors()
    text = encode_vectors(vectors)
    if options.update:
        VECTORS_FILE.write_text(text, encoding="ascii")
        sys.stdout.write(f"{len(vectors)} vectors written\n")
        return 0
    if VECTORS_FILE.read_text(encoding="ascii") == text:
        sys.stdout.write(f"{len(vectors)} vectors agree with the oracle\n")
        return 0
    sys.stderr.write(f"{VECTORS_FILE.name} differs from the oracle: review the change, then run with --update\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
