"""What a movement is asked for: action, person, way on the floor, speed and length, as tensors that a base reads.

Words of the vocabulary have a number each; any other is spelled by letters, so that a base can be told of a person by a
name that nobody had before. What is not asked for is left open by a switch, and a base learns with each left open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

PERSON = "person"
"""The class word: anybody."""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_"
LONGEST = 16  # tokens of an action or a name
WAY = (0, 1, 3)
"""The numbers of a frame that a way on the floor is told in: forward, to the left, and the rate of her heading."""
PATH = len(WAY)  # leg lengths per second, leg lengths per second, radians per second to the left
_OPEN = 0  # the number of no token


@dataclass(frozen=True)
class Vocabulary:
    """The words that a base knows as such. ValueError for one that could not be written, or stands twice."""

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        for word in self.words:
            _plain(word)
        if len(set(self.words)) != len(self.words):
            raise ValueError(f"vocabulary has a word twice: {', '.join(sorted(self.words))}")

    def __len__(self) -> int:
        return 1 + len(LETTERS) + len(self.words)

    def knows(self, text: str) -> bool:
        """Whether every word of a text is one of the vocabulary."""
        return all(word in self.words for word in text.lower().split())

    def spell(self, text: str, *, letters: bool = False) -> list[int]:
        """The numbers of a text, LONGEST of them: words that are known, others (with `letters` all) by their letters.

        No text leaves it open. ValueError for characters other than letters, digits, "-" and "_", and for a text that
        is too long to spell.
        """
        found: list[int] = []
        for word in text.lower().split():
            if word in self.words and not letters:
                found.append(1 + len(LETTERS) + self.words.index(word))
            else:
                found += [1 + LETTERS.index(letter) for letter in _plain(word)]
        if len(found) > LONGEST:
            raise ValueError(f"word {text!r} takes {len(found)} letters to spell; use one of {LONGEST} or fewer")
        return found + [_OPEN] * (LONGEST - len(found))


@dataclass(frozen=True, eq=False)
class Conditions:
    """What B movements of W frames are asked for. `*_open` says of which of them it is left open."""

    action: Tensor  # (B, LONGEST) int64; all 0: open
    person: Tensor  # (B, LONGEST) int64
    path: Tensor  # (B, W, PATH) smoothed way on the floor
    path_open: Tensor  # (B,) bool
    speed: Tensor  # (B,) leg lengths per second, mean forward
    speed_open: Tensor  # (B,) bool
    seconds: Tensor  # (B,) length of what is asked for
    seconds_open: Tensor  # (B,) bool
    mask: Tensor  # (B, W) bool, frames that exist

    def __len__(self) -> int:
        return len(self.mask)

    def select(self, rows: Tensor) -> Conditions:
        """Some of them, by index (N,)."""
        return Conditions(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def to(self, device: torch.device | str) -> Conditions:
        """The same on another device."""
        return Conditions(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def named(self, person: Sequence[int]) -> Conditions:
        """The same of another person, as spelled."""
        words = torch.tensor(list(person), device=self.person.device)
        return replace(self, person=words.expand(len(self), -1))

    def unguided(self) -> Conditions:
        """The same with action and person left open: what guidance leads away from. The way stays as asked."""
        return replace(self, action=torch.zeros_like(self.action), person=torch.zeros_like(self.person))

    def dropped(self, share: float, generator: torch.Generator) -> Conditions:
        """The same with each condition left open at a chance, so that a base learns to do without it."""
        gone = (torch.rand((len(self), 5), generator=generator) < share).to(self.mask.device)
        return replace(
            self,
            action=self.action * ~gone[:, :1],
            person=self.person * ~gone[:, 1:2],
            path_open=self.path_open | gone[:, 2],
            speed_open=self.speed_open | gone[:, 3],
            seconds_open=self.seconds_open | gone[:, 4],
        )


def _plain(word: str) -> str:
    odd = sorted(set(word) - set(LETTERS))
    if odd or not word:
        raise ValueError(f"word {word!r} cannot be spelled; use the letters a to z, digits, '-' and '_'")
    return word
