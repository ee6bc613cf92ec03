"""The text form of USD, as much of it as cameras and what they hang on need: prims, attributes, values.

What can move or pull in other files (time samples, references, variants) is refused by the reader of cameras where it
matters; here it is only parsed. Reference: OpenUSD, "USDA file format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = "str | float | list[Value] | dict[str, Value] | None"

_DEEPEST = 64
_MOST_TOKENS = 1_000_000  # a stage full of meshes has more; export the cameras alone
_TOKEN = re.compile(
    r"""(?P<skip>[\s;,:]+|\#[^\n]*)
    |(?P<text>\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|@@@.*?@@@|@[^@\n]*@)
    |(?P<path><[^>\n]*>)
    |(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])|[+-]?inf\b|nan\b)
    |(?P<word>!?[A-Za-z_][\w:.]*!?)
    |(?P<mark>[()\[\]{}=])
    |(?P<wrong>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass
class Prim:
    """One prim: `def Camera "cam1" { ... }`."""

    kind: str
    name: str
    attributes: dict[str, Value] = field(default_factory=dict)  # the default value; None where there is none
    moving: set[str] = field(default_factory=set)  # attributes with time samples or connections
    children: list[Prim] = field(default_factory=list)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


class UsdaText:
    """A parser by descent. Raises ValueError that names the line."""

    def __init__(self, text: str, name: str) -> None:
        if not text.startswith("#usda 1."):
            raise ValueError(f"{name} is no USD text (#usda 1.0); turn it into .usda first")
        self.name = name
        self.metadata: dict[str, Value] = {}
        self._tokens = self._cut(text)
        self._next: _Token | None = next(self._tokens, None)

    def prims(self) -> list[Prim]:
        """All prims on top, their metadata read before."""
        if self._is("("):
            self.metadata = self._metadata()
        found = []
        while self._next is not None:
            found.append(self._prim(0))
        return found

    def _cut(self, text: str) -> Iterator[_Token]:
        line = 1
        for count, match in enumerate(_TOKEN.finditer(text)):
            if count > _MOST_TOKENS:
                raise ValueError(f"{self.name} holds more than cameras; export them alone")
            kind = str(match.lastgroup)
            if kind == "wrong":
                raise ValueError(f"{self.name} has {match[0]!r} in line {line}, which is no USD text")
            if kind != "skip":
                yield _Token(kind, match[0], line)
            line += match[0].count("\n")

    def _is(self, text: str) -> bool:
        return self._next is not None and self._next.text == text and self._next.kind in ("mark", "word")

    def _take(self, kind: str = "", text: str = "") -> str:
        token = self._next
        if token is None:
            raise ValueError(f"{self.name} ends in the middle of a prim; copy it again")
        if (kind and token.kind != kind) or (text and token.text != text):
            raise ValueError(f"{self.name} has {token.text[:40]!r} in line {token.line}, expected {text or kind}")
        self._next = next(self._tokens, None)
        return token.text

    def _prim(self, depth: int) -> Prim:
        specifier = self._take("word")
        if specifier not in ("def", "over", "class"):
            raise ValueError(f"{self.name} has {specifier!r} where a prim should be; flatten it to a plain .usda first")
        if depth > _DEEPEST:
            raise ValueError(f"{self.name} is nested deeper than {_DEEPEST} prims")
        kind = self._take("word") if self._next is not None and self._next.kind == "word" else ""
        prim = Prim(kind if specifier == "def" else "", _unquoted(self._take("text")))
        if self._is("("):
            for key in self._metadata():
                if key in ("references", "payload", "variants", "variantSets", "inherits", "specializes"):
                    prim.moving.add(key)
        self._take(text="{")
        while not self._is("}"):
            if any(self._is(word) for word in ("def", "over", "class")):
                prim.children.append(self._prim(depth + 1))
            else:
                self._attribute(prim)
        self._take(text="}")
        return prim

    def _attribute(self, prim: Prim) -> None:
        words = [self._take("word")]
        while self._next is not None and (self._next.kind == "word" or self._is("[")):
            if self._is("["):
                self._take()
                self._take(text="]")
            else:
                words.append(self._take("word"))
        if len(words) < 2:
            raise ValueError(f"{self.name} has {words[0]!r} in prim {prim.name}, which is not read; flatten it first")
        name, value = words[-1], self._value(0) if self._assigned() else None
        for suffix in (".timeSamples", ".connect", ".spline"):
            if name.endswith(suffix):
                prim.moving.add(name.removesuffix(suffix))
                break
        else:
            prim.attributes[name] = value
        if self._is("("):
            self._metadata()

    def _assigned(self) -> bool:
        if not self._is("="):
            return False
        self._take()
        return True

    def _metadata(self) -> dict[str, Value]:
        """`( key = value ... )`; a lone text is the documentation."""
        self._take(text="(")
        found: dict[str, Value] = {}
        while not self._is(")"):
            if self._next is not None and self._next.kind == "text":
                self._take()
                continue
            words = [self._take("word")]
            while self._next is not None and self._next.kind == "word":
                words.append(self._take("word"))
            found[words[-1]] = self._value(0) if self._assigned() else None
            while self._next is not None and self._next.kind == "path":  # the prim of a reference
                self._take()
            if self._is("("):  # its offset
                self._metadata()
        self._take(text=")")
        return found

    def _value(self, depth: int) -> Value:
        if depth > _DEEPEST:
            raise ValueError(f"{self.name} holds a value nested deeper than {_DEEPEST}")
        token = self._next
        if token is not None and token.text in ("(", "[") and token.kind == "mark":
            self._take()
            end, items = ")" if token.text == "(" else "]", []
            while not self._is(end):
                items.append(self._value(depth + 1))
            self._take()
            return items
        if self._is("{"):
            return self._dictionary(depth)
        text = self._take()
        if token is not None and token.kind == "number":
            return float(text)
        if token is not None and token.kind == "mark":
            raise ValueError(f"{self.name} has {text!r} in line {token.line}, expected a value")
        return _unquoted(text)

    def _dictionary(self, depth: int) -> Value:
        """`{ string key = value }`; of time samples, which have no `=`, nothing is kept."""
        self._take(text="{")
        found: dict[str, Value] = {}
        while not self._is("}"):
            words = [self._take()]
            while not (self._is("=") or self._is("}")):
                words.append(self._take())
            found[words[-1]] = self._value(depth + 1) if self._assigned() else None
        self._take(text="}")
        return found


def _unquoted(text: str) -> str:
    for quote in ('"""', "'''", '"', "'", "@@@", "@"):
        if text.startswith(quote) and text.endswith(quote) and len(text) >= 2 * len(quote):
            return re.sub(r"\\(.)", r"\1", text[len(quote) : -len(quote)])
    return text
