"""One decoder process: reads a path per line, answers with what `measure.decode` found in that file.

Decoders are programs in C that read whatever lies on a card. In processes of their own one that crashes, hangs or
runs out of memory takes one file with it and not the ingest. Started by `decode_all`, never by hand.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import cast

from capture.decode.picture import ImageError
from capture.exif import exif_from_json, exif_to_json
from capture.issues import JsonObject
from capture.measured import Numbers

if __name__ == "__main__":  # the parent needs the codec below and none of this
    import cv2

    from capture.measure import decode
    from capture.video import VideoError


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a file gives no picture: a code of the catalogue and what was found."""

    code: str
    found: str


def pack(decoded: object) -> JsonObject:
    """A `measure.Decoded` as JSON values, for the pipe."""
    values = {field.name: getattr(decoded, field.name) for field in dataclasses.fields(decoded)}  # type: ignore[arg-type]
    values["numbers"] = [dataclasses.astuple(numbers) for numbers in values["numbers"]]
    values["thumbnail"] = base64.b64encode(values["thumbnail"]).decode()
    values["exif"] = exif_to_json(values["exif"])
    return values


def unpack(values: JsonObject) -> dict[str, object]:
    """The fields of the `measure.Decoded` that `pack` was given."""
    return {
        **values,
        "numbers": tuple(Numbers(*row) for row in cast("list[list[float]]", values["numbers"])),  # type: ignore[arg-type]
        "thumbnail": base64.b64decode(str(values["thumbnail"])),
        "exif": exif_from_json(cast(JsonObject, values["exif"])),
        **{name: tuple((a, b) for a, b in cast("list[list[int]]", values[name])) for name in ("gaps", "frozen")},
        **{name: tuple(map(tuple, cast("list[list[float]]", values[name]))) for name in ("motion", "smear")},
    }


def _answer(path: Path, threads: int) -> JsonObject:
    try:
        return pack(decode(path, threads=threads))
    except (ImageError, VideoError) as err:
        return {"code": err.code, "found": err.detail}
    except MemoryError:
        return {"code": "FILE_TOO_LARGE", "found": "the machine has no memory for it"}
    except Exception as err:  # one file that a decoder stumbles over must not stop the others
        return {"code": "INTERNAL_ERROR", "found": f"{type(err).__name__}: {err}"}


def main() -> int:
    """Serve until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    cv2.setNumThreads(1)  # files are decoded side by side
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        # What a library prints must not get among the answers, nor on the terminal: a bad file becomes an issue.
        for output in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), output)
        for line in sys.stdin:
            task = json.loads(line)
            answers.write(json.dumps(_answer(Path(task["path"]), task["threads"])) + "\n")
            answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
