"""Every benchmark of ingest in one run: full QC, the verified copy and the planning of a large session.

    python -m scripts.bench.ingest PHOTOGRAPHS --peer --out scripts/bench/results

PHOTOGRAPHS is a folder of JPEG files. With `--peer` cleanvision and ocopy from the package index run beside us.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.bench import decode_gate, large_session, verified_copy


def main(argv: list[str] | None = None) -> int:
    """Run all of them; returns the first exit code that is not 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--out", type=Path, help="folder of the JSON files; none are written without it")
    parser.add_argument("--peer", action="store_true", help="also run the peers")
    options = parser.parse_args(argv)
    out = ["--out", str(options.out)] if options.out is not None else []
    peer = ["--peer"] if options.peer else []
    codes = [
        decode_gate.main(["--photographs", str(options.photographs), *out, *peer]),
        verified_copy.main([*out, *peer]),
        large_session.main(out),
    ]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
