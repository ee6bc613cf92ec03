"""The HIERARCHY of a BVH file, read without recursion so that its depth cannot hurt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from capture.motion.reading import MotionFileError, check_size, number, shown, whole

CHANNELS = tuple(f"{axis}{kind}" for kind in ("position", "rotation") for axis in "XYZ")


@dataclass(frozen=True)
class Node:
    """One joint as it is declared. End Sites are joints without channels."""

    name: str
    parent: int
    offset: tuple[float, float, float]  # in the file's unit
    channels: tuple[str, ...]


def parse_tree(path: Path, text: str) -> tuple[Node, ...]:
    """All joints, the root first, in the order of their channels; End Sites of no length are left out.

    Raises MotionFileError for any other shape than one root with braces that match.
    """
    words = iter(text.split())
    nodes: list[Node] = []
    open_joints: list[int] = []  # indices of the joints whose braces are open; -1 for an End Site that is left out
    if next(words, "").lstrip("ï»¿").upper() != "HIERARCHY":
        raise MotionFileError(path, "file does not open with HIERARCHY, so it is no BVH; name another file")
    for word in words:
        kind = word.upper()
        if kind == "}" and open_joints:
            open_joints.pop()
        elif (kind == "ROOT" and not nodes) or (kind in ("JOINT", "END") and open_joints and open_joints[-1] >= 0):
            parent = open_joints[-1] if open_joints else -1
            name = _name(path, words)
            if kind == "END":
                node = Node(f"{nodes[parent].name}_end", parent, _offset(path, words, "End Site"), ())
                if not any(node.offset):
                    open_joints.append(-1)
                    continue
            else:
                node = Node(name, parent, _offset(path, words, name), _channels(path, words, name))
            nodes.append(node)
            check_size(path, len(nodes), 0)
            open_joints.append(len(nodes) - 1)
        else:
            raise MotionFileError(path, f"{shown(word)} stands where a joint or brace must; export one skeleton")
    if open_joints or not nodes:
        raise MotionFileError(path, "its hierarchy is cut off or empty; copy or export it again")
    if not nodes[0].channels:
        raise MotionFileError(path, f"root {shown(nodes[0].name)} has no channels, so nothing moves; export it again")
    return tuple(nodes)


def _name(path: Path, words: Iterator[str]) -> str:
    """All words up to the brace; names may hold spaces."""
    parts: list[str] = []
    for word in words:
        if word == "{":
            return " ".join(parts)
        parts.append(word)
        if len(parts) > 20:
            break
    raise MotionFileError(path, f"joint {shown(' '.join(parts))} has no brace; copy or export it again")


def _offset(path: Path, words: Iterator[str], name: str) -> tuple[float, float, float]:
    if not name:
        raise MotionFileError(path, "a joint has no name; export it again")
    if next(words, "").upper() != "OFFSET":
        raise MotionFileError(path, f"joint {shown(name)} has no OFFSET; copy or export it again")
    x, y, z = (number(path, next(words, ""), f"OFFSET of {shown(name)}") for _ in range(3))
    return x, y, z


def _channels(path: Path, words: Iterator[str], name: str) -> tuple[str, ...]:
    if next(words, "").upper() != "CHANNELS":
        raise MotionFileError(path, f"joint {shown(name)} has no CHANNELS; copy or export it again")
    count = whole(path, next(words, ""), f"number of channels of {shown(name)}")
    if count > len(CHANNELS):
        raise MotionFileError(path, f"joint {shown(name)} has {count} channels; six are the most; export it again")
    found = tuple(next(words, "").capitalize() for _ in range(count))
    for channel in found:
        if channel not in CHANNELS or found.count(channel) > 1:
            raise MotionFileError(path, f"channel {shown(channel)} of {shown(name)} is unknown or stands twice")
    return found
