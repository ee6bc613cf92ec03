"""The movement base: a transformer that makes clean frames of movement from noisy ones (MDM, arXiv 2209.14916).

One token for every few frames, and before them one each for the time of the noise, action, person, speed and length. It
predicts the clean frames (x0) under diffusers' cosine schedule: the best linear guess in the principal components of
tokens, plus what the transformer knows better (EDM's preconditioning, arXiv 2206.00364, in the axes of movement). Of
her way over the floor it predicts what differs from the way that was asked for. Attention and MLP are plain linear
layers in `blocks`, so that PEFT finds them by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from diffusers import DDIMScheduler
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from capture.errors import IncompleteInput
from capture.issues import JsonObject
from capture.motion.canonical import CANONICAL
from capture.store import sha256_file, sha256_text, write_atomic, write_json
from training.movement.body import RATE_HZ
from training.movement.conditions import LONGEST, PATH, WAY, Conditions, Vocabulary
from training.movement.features import PER_ROOT

EMBEDDED = Path(__file__).parent / "movement_base"
"""Folder of the base that the repository carries."""
ROW = PER_ROOT + 6 * len(CANONICAL)
"""Numbers of one frame: those of MotionFeatures.array on the canonical skeleton, in leg lengths."""
NOISE_STEPS = 1000
# Ninety-six frames tell the same again and again, so that her cadence shows through a hundred times as much noise as
# movement: under the plain cosine schedule it was settled in the first 6 % of the steps, which a base hardly learned.
_SHIFT = 4.0
_FORMAT = 4
_CONFIG, _WORDS, _WEIGHTS, _SCHEDULE = "config.json", "vocabulary.json", "model.safetensors", "scheduler"
_WIDE = 2  # the MLP in widths
# Spreads: of 464 axes 367 vary by less. As loud as the others they are noise beside what tells how she walks.
_SOFT = 0.3


@dataclass(frozen=True)
class BaseConfig:
    """What a base is built from."""

    width: int = 256
    layers: int = 6
    heads: int = 4
    window: int = 96  # frames at most
    patch: int = 4  # frames of a token: a stride has about thirty, and the cost of a step falls with the tokens
    rate_hz: float = RATE_HZ

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads) or min(self.width, self.layers, self.heads, self.window, self.patch) < 1:
            raise ValueError(f"width {self.width} must be a multiple of twice the heads ({self.heads})")
        if self.window % self.patch:
            raise ValueError(f"window {self.window} must be a multiple of the {self.patch} frames of a token")


class Block(nn.Module):
    """Attention and MLP, each behind its norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.Linear(width, width)
        self.mlp_in, self.mlp_out = nn.Linear(width, _WIDE * width), nn.Linear(_WIDE * width, width)

    def forward(self, tokens: Tensor, seen: Tensor | None) -> Tensor:
        """(B, S, width) of the same; `seen` (B, 1, 1, S) bool hides tokens that do not exist."""
        flat = self.norm_attention(tokens)
        q, k, v = (self._split(part(flat)) for part in (self.to_q, self.to_k, self.to_v))
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        tokens = tokens + self.to_out(mixed.transpose(1, 2).flatten(2))
        return cast(Tensor, tokens + self.mlp_out(functional.gelu(self.mlp_in(self.norm_mlp(tokens)))))

    def _split(self, values: Tensor) -> Tensor:
        return values.unflatten(2, (self.heads, -1)).transpose(1, 2)


class WordEncoder(nn.Module):
    """A few spelled words as one token; the order of the letters counts."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.table, self.place = nn.Embedding(count, width), nn.Embedding(LONGEST, width)
        self.mix, self.out, self.open = nn.Linear(width, width), nn.Linear(width, width), nn.Embedding(1, width)

    def forward(self, words: Tensor) -> Tensor:
        """(B, width) of (B, LONGEST) numbers; words left open have a token of their own."""
        there = (words > 0).float()[..., None]
        letters = functional.gelu(self.mix(self.table(words) + self.place.weight)) * there
        told = self.out(letters.sum(dim=1) / there.sum(dim=1).clamp(min=1).sqrt())
        return torch.where(there.any(dim=1), told, self.open.weight)


@dataclass(frozen=True, eq=False)
class _Guess:
    """Tokens along their principal components."""

    seen: Tensor  # (B, N, T) as noisy as they are, of variance 1 along axes that matter, less along the others
    linear: Tensor  # (B, N, T) the best linear guess
    spread: Tensor  # (B, 1, T) what is left open by it


class MovementBase(nn.Module):
    """Clean frames of noisy ones. Rows are normalised by `mean` and `std`, which are saved with the weights.

    A token has T = patch x ROW numbers; `axes`, `centre` and `variance` are the principal components of tokens.
    """

    mean: Tensor  # (ROW,)
    std: Tensor  # (ROW,)
    axes: Tensor  # (T, T) orthonormal rows
    centre: Tensor  # (T,)
    variance: Tensor  # (T,) along each axis

    def __init__(self, config: BaseConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        width = config.width
        self.frame_in = nn.Linear(config.patch * (ROW + PATH + 2), width)
        self.frame_out = nn.Linear(width, config.patch * ROW)
        self.noise_in = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.words = WordEncoder(len(vocabulary), width)
        self.number_in = nn.ModuleDict({name: nn.Linear(3, width) for name in ("speed", "seconds")})
        self.kind = nn.Embedding(5, width)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.register_buffer("mean", torch.zeros(ROW))
        self.register_buffer("std", torch.ones(ROW))
        self.register_buffer("axes", torch.eye(config.patch * ROW))
        self.register_buffer("centre", torch.zeros(config.patch * ROW))
        self.register_buffer("variance", torch.ones(config.patch * ROW))
        self.register_buffer("_signal", make_schedule().alphas_cumprod, persistent=False)
        nn.init.zeros_(self.frame_out.weight)
        nn.init.zeros_(self.frame_out.bias)
        self.register_buffer("_places", waves(torch.arange(config.window // config.patch), width), persistent=False)

    def forward(self, noisy: Tensor, time: Tensor, asked: Conditions) -> Tensor:
        """Clean rows (B, W, ROW) of noisy ones at noise times (B,), all normalised; W is at most the window."""
        noise = self.noise_in(waves(self._level(time), self.config.width))
        way = asked.path * ~asked.path_open[:, None, None]
        along = self.along(way, asked.path_open)
        guess = self._guess(noisy, along, time, asked.mask)
        flags = torch.stack([asked.path_open[:, None].expand_as(asked.mask), asked.mask], dim=2).to(noisy.dtype)
        told = self.patched(torch.cat([way, flags], dim=2))
        rows = self.frame_in(torch.cat([guess.seen, told], dim=2))
        count = rows.shape[1]
        head = torch.stack(
            [
                noise,
                self.words(asked.action),
                self.words(asked.person),
                self._number("speed", asked.speed, asked.speed_open),
                self._number("seconds", asked.seconds, asked.seconds_open),
            ],
            dim=1,
        )
        rows = rows + cast(Tensor, self._places)[:count] + noise[:, None]
        tokens = torch.cat([head + self.kind.weight, rows], dim=1)
        seen = None
        if not bool(asked.mask.all()):
            always = asked.mask.new_ones((len(asked), head.shape[1]))
            tokens_there = self.patched(asked.mask[..., None]).any(dim=2)
            seen = torch.cat([always, tokens_there], dim=1)[:, None, None]
        for block in self.blocks:
            tokens = block(tokens, seen)
        better = guess.linear + guess.spread * self.frame_out(self.norm(tokens[:, head.shape[1] :]))
        made = better @ self.axes + self.centre
        return made.unflatten(2, (self.config.patch, ROW)).flatten(1, 2)[:, : noisy.shape[1]] + along

    def _level(self, time: Tensor) -> Tensor:
        """(B,) how much of what is seen is noise, 0 to NOISE_STEPS, whatever schedule the times (B,) are of."""
        signal = cast(Tensor, self._signal)[time.long()]
        return NOISE_STEPS * signal.sqrt().acos() / (torch.pi / 2)

    def _guess(self, noisy: Tensor, along: Tensor, time: Tensor, mask: Tensor) -> _Guess:
        """What noisy rows (B, W, ROW) tell of the clean ones if tokens were normally distributed (Wiener's filter)."""
        signal = cast(Tensor, self._signal)[time.long()][:, None, None]
        there = (noisy - signal.sqrt() * along) * mask[..., None]  # a token may hold frames that do not exist
        away = (self.patched(there) - signal.sqrt() * self.centre) @ self.axes.T
        total = signal * self.variance + (1 - signal)
        spread = (self.variance * (1 - signal) / total).sqrt()
        counts = self.variance.sqrt() / (self.variance.sqrt() + _SOFT)
        return _Guess(counts * away / total.sqrt(), signal.sqrt() * self.variance / total * away, spread)

    def patched(self, rows: Tensor) -> Tensor:
        """(B, N, patch x C) of (B, W, C), with zeros after the last frame where a token has fewer."""
        patch = self.config.patch
        padded = functional.pad(rows, (0, 0, 0, -rows.shape[1] % patch))
        return padded.unflatten(1, (-1, patch)).flatten(2)

    def along(self, way: Tensor, path_open: Tensor) -> Tensor:
        """(B, W, ROW) normalised rows of one who goes exactly the way (B, W, PATH); zero where it is left open."""
        columns = list(WAY)
        rows = way.new_zeros((*way.shape[:2], ROW))
        rows[..., columns] = (way - self.mean[columns]) / self.std[columns] * ~path_open[:, None, None]
        return rows

    def normalised(self, rows: Tensor) -> Tensor:
        """Rows as the base sees them."""
        return (rows - self.mean) / self.std

    def plain(self, rows: Tensor) -> Tensor:
        """The inverse of `normalised`: leg lengths, radians, seconds."""
        return rows * self.std + self.mean

    def _number(self, name: str, value: Tensor, is_open: Tensor) -> Tensor:
        shown = value * ~is_open
        return cast(Tensor, self.number_in[name](torch.stack([shown, shown**2, is_open.to(value.dtype)], dim=1)))


def waves(values: Tensor, width: int) -> Tensor:
    """(N, width) sines and cosines of (N,) values, wavelengths from 2 pi to 10,000 of them."""
    rates = torch.exp(torch.arange(width // 2, device=values.device) * (-9.21034 / (width // 2)))
    angles = values.float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def make_schedule() -> DDIMScheduler:
    """The noise schedule of every base: cosine (Nichol and Dhariwal 2021), shifted toward noise, x0 predicted.

    The shift divides the ratio of signal to noise by _SHIFT squared (Hoogeboom et al. 2023, arXiv 2301.11093).
    """
    plain = DDIMScheduler(num_train_timesteps=NOISE_STEPS, beta_schedule="squaredcos_cap_v2").alphas_cumprod.double()
    signal = plain / (plain + _SHIFT**2 * (1 - plain))
    betas = 1 - signal / torch.cat([torch.ones(1), signal[:-1]])
    return DDIMScheduler(
        num_train_timesteps=NOISE_STEPS,
        trained_betas=betas.tolist(),
        prediction_type="sample",
        clip_sample=False,
        timestep_spacing="trailing",
    )


def save_base(model: MovementBase, folder: Path, *, half: bool = False, facts: JsonObject | None = None) -> None:
    """Write a base into a folder: config.json, vocabulary.json, scheduler and weights, `half` in half precision.

    `facts` go into training.json. Normalisation stays in full precision.
    """
    statistics = {name for name, _ in model.named_buffers()}
    tensors = {
        name: (value.detach().half() if half and name not in statistics else value.detach()).cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    write_json(folder / _CONFIG, {"format": _FORMAT, "joints": list(CANONICAL), **asdict(model.config)})
    write_json(folder / _WORDS, list(model.vocabulary.words))
    make_schedule().save_pretrained(folder / _SCHEDULE)
    if facts is not None:
        write_json(folder / "training.json", facts)
    write_atomic(folder / _WEIGHTS, save(tensors))


def load_base(folder: Path, *, device: str = "cpu") -> MovementBase:
    """Read a base from a folder; nothing is fetched. Raises IncompleteInput for one that is not whole or not ours."""
    try:
        config, words = (json.loads((folder / name).read_text()) for name in (_CONFIG, _WORDS))
        tensors = load_file(folder / _WEIGHTS)
    except (OSError, ValueError, SafetensorError) as err:
        raise IncompleteInput(f"movement base {folder.name!r} cannot be read: {err}; name a folder of one") from None
    if config.pop("format", 0) != _FORMAT or config.pop("joints", None) != list(CANONICAL):
        raise IncompleteInput(
            f"movement base {folder.name!r} is of another format or skeleton; train it with this code"
        )
    model = MovementBase(BaseConfig(**config), Vocabulary(tuple(words)))
    _fill(model, tensors, folder)
    return model.eval().requires_grad_(False).to(device)


def _fill(model: MovementBase, tensors: Mapping[str, Tensor], folder: Path) -> None:
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if wanted != found:
        odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise IncompleteInput(f"weights of movement base {folder.name!r} do not fit its config, first {odd[0]}")
    model.load_state_dict({name: value.float() for name, value in tensors.items()})


def base_digest(folder: Path) -> str:
    """SHA-256 over everything of a base that decides what it makes."""
    parts = [_CONFIG, _WORDS, _WEIGHTS, f"{_SCHEDULE}/scheduler_config.json"]
    missing = [name for name in parts if not (folder / name).is_file()]
    if missing:
        raise IncompleteInput(f"movement base {folder.name!r} lacks {', '.join(missing)}; name a folder of one")
    return sha256_text("".join(f"{name} {sha256_file(folder / name)}\n" for name in parts))
