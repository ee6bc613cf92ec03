"""One C3D file read by ezc3d in a process of its own, which a damaged file kills by a segmentation fault.

Started by `capture.motion.c3d`, never by hand: C3D, then the .npz to write. Exit code 1 and one line where it refuses.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

MEMORY_BYTES = 6 << 30  # what the largest take that is read needs twice over; counts in a damaged header ask for more


def main() -> int:
    """Read the first argument and write the second."""
    _limit_memory()
    import ezc3d

    try:
        data = ezc3d.c3d(sys.argv[1])
        point = data["parameters"]["POINT"]
        # Each LABELS holds up to 255 names.
        keys = [key for key in ("LABELS", *(f"LABELS{k}" for k in range(2, 10))) if key in point]
        np.savez(
            Path(sys.argv[2]),
            points=np.asarray(data["data"]["points"][:3], dtype=np.float64),  # (3, N, T)
            residuals=np.asarray(data["data"]["meta_points"]["residuals"][0], dtype=np.float64),  # (N, T)
            rate=float(point["RATE"]["value"][0]),
            unit=str(point["UNITS"]["value"][0]),
            labels=np.array([str(name) for key in keys for name in point[key]["value"]], dtype=np.str_),
            screen=str(point["Y_SCREEN"]["value"][0]) if "Y_SCREEN" in point else "",
        )
    except Exception as err:  # the library raises whatever its container of that moment does
        print((str(err).splitlines() or [type(err).__name__])[0].removesuffix(": iostream error")[:80])
        return 1
    return 0


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))


if __name__ == "__main__":
    sys.exit(main())
