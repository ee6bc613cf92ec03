"""Speed and memory of a LoRA step on full-size models with random weights, which cost what trained ones cost.

    python -m scripts.bench.full_size --model flux --out scripts/bench/results

`flux` is the transformer of FLUX.1-dev (12 B parameters), `sdxl` the UNet of SDXL (2.6 B), `tiny` a small Flux for
trying out on a CPU. Our way (blocks compiled, fused AdamW) and that of diffusers' example (neither) are timed on one
frozen base in bfloat16 with a LoRA of rank 32 on all linear layers. The share of the device's peak in bfloat16 counts
the operations of forward and backward pass as PyTorch's own counter does, without what checkpointing computes twice.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from capture.issues import JsonObject
from scripts.bench.record import record

if TYPE_CHECKING:
    import torch
    from diffusers import ModelMixin
    from torch import Tensor, nn

PACKAGES = ("torch", "diffusers", "peft")
RANK = 32
# Dense bfloat16 operations a second, from the makers' data sheets.
PEAK = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}


@dataclass(frozen=True)
class Shape:
    """What is trained on: pictures of a step and their side in pixels."""

    batch: int
    pixels: int


SHAPES = {"flux": Shape(1, 1024), "sdxl": Shape(4, 1024), "tiny": Shape(2, 64)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=sorted(SHAPES), required=True)
    parser.add_argument("--out", type=Path, help="folder of full_size_<model>.json; none is written without it")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5, help="steps of a round")
    options = parser.parse_args(argv)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and options.model != "tiny":
        print(f"model {options.model!r} needs a GPU: torch.cuda.is_available() is False", file=sys.stderr)
        return 1
    figures = measure(options.model, device, rounds=options.rounds, steps=options.steps)
    print(figures)
    if options.out is not None:
        record(
            options.out / f"full_size_{options.model}.json",
            command=f"python -m scripts.bench.full_size --model {options.model} --rounds {options.rounds}",
            packages=PACKAGES,
            figures=figures,
            machine=torch.cuda.get_device_name() if device.type == "cuda" else "",
        )
    return 0


def measure(model: str, device: torch.device, *, rounds: int, steps: int) -> JsonObject:
    """Seconds a step, peak memory and share of the device's peak for both ways, which step in turns."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    shape = SHAPES[model]
    denoiser, forward = (_sdxl if model == "sdxl" else _flux)(shape, device, tiny=model == "tiny")
    parameters = _lora(denoiser)
    size = sum(p.numel() for p in denoiser.parameters())
    with FlopCounterMode(display=False) as counter:
        forward().float().square().mean().backward()
    operations = float(counter.get_total_flops())
    cast("ModelMixin", denoiser).enable_gradient_checkpointing()
    plain = _stepper(forward, torch.optim.AdamW(parameters, lr=1e-4, fused=False, foreach=False))
    ours = _stepper(forward, torch.optim.AdamW(parameters, lr=1e-4, fused=True))
    times: dict[str, list[float]] = {"example": [], "ours": []}
    peaks: dict[str, float] = {}
    # The example first and alone: compiled blocks cannot be made plain again.
    for name, step in (("example", plain), ("ours", ours)):
        if name == "ours" and device.type == "cuda":
            cast("ModelMixin", denoiser).compile_repeated_blocks()
        step()
        _wait(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        for _ in range(rounds):
            began = time.perf_counter()
            for _ in range(steps):
                step()
            _wait(device)
            times[name].append((time.perf_counter() - began) / steps)
        peaks[name] = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0
    peak = _peak(torch.cuda.get_device_name()) if device.type == "cuda" else None
    result: JsonObject = {
        "model": model, "parameters": size, "batch": shape.batch, "pixels": shape.pixels, "rank": RANK,
        "operations_per_step": operations,
    }  # fmt: skip
    for name, values in times.items():
        seconds = statistics.median(values)
        row: JsonObject = {"seconds_per_step": seconds, "peak_gib": round(peaks[name], 2)}
        if peak:
            row["share_of_bf16_peak"] = round(operations / seconds / peak, 4)
        result[name] = row
    result["example_over_ours"] = statistics.median(times["example"]) / statistics.median(times["ours"])
    return result


def _stepper(forward: Callable[[], Tensor], optimiser: torch.optim.Optimizer) -> Callable[[], None]:
    def step() -> None:
        forward().float().square().mean().backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def _lora(denoiser: nn.Module) -> list[nn.Parameter]:
    """A LoRA in float32 on every linear layer of the blocks of a frozen base."""
    import torch
    from peft import LoraConfig

    denoiser.requires_grad_(False)
    blocks = re.compile(r"(single_)?transformer_blocks\.|attentions\.")
    names = [n for n, m in denoiser.named_modules() if isinstance(m, torch.nn.Linear) and blocks.search(n)]
    cast("ModelMixin", denoiser).add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=names))
    trained = [p for p in denoiser.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.data = parameter.data.float()
    return trained


def _flux(shape: Shape, device: torch.device, *, tiny: bool) -> tuple[nn.Module, Callable[[], Tensor]]:
    import torch
    from diffusers import FluxTransformer2DModel

    sizes = {"num_layers": 1, "num_single_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2,
             "joint_attention_dim": 64, "pooled_projection_dim": 32, "axes_dims_rope": (8, 12, 12)}  # fmt: skip
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)  # twelve milliards of numbers are made once, and at half the size
        model = FluxTransformer2DModel(guidance_embeds=not tiny, **(sizes if tiny else {}))
        torch.set_default_dtype(torch.float32)
    config = model.config
    side, texts = shape.pixels // 16, 512 if not tiny else 16
    tokens = _made((shape.batch, side * side, config.in_channels), device)
    text = _made((shape.batch, texts, config.joint_attention_dim), device)
    pooled = _made((shape.batch, config.pooled_projection_dim), device)
    places, words = (
        _made((side * side, 3), device, 0.0),
        _made((texts, 3), device, 0.0),
    )
    sigma, guidance = (
        _made((shape.batch,), device, 0.5),
        _made((shape.batch,), device, 3.5),
    )

    def forward() -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            out: Tensor = model(
                hidden_states=tokens, encoder_hidden_states=text, pooled_projections=pooled, timestep=sigma,
                guidance=None if tiny else guidance, img_ids=places, txt_ids=words, return_dict=False,
            )[0]  # fmt: skip
        return out

    return model, forward


def _sdxl(shape: Shape, device: torch.device, *, tiny: bool) -> tuple[nn.Module, Callable[[], Tensor]]:
    """The UNet by the numbers of SDXL's own config."""
    import torch
    from diffusers import UNet2DConditionModel

    del tiny
    with torch.device(device):
        model = UNet2DConditionModel(
            sample_size=128, block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20), cross_attention_dim=2048,
            addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
            use_linear_projection=True,
        ).to(torch.bfloat16)  # fmt: skip
    latents = _made((shape.batch, 4, shape.pixels // 8, shape.pixels // 8), device)
    text, pooled = (
        _made((shape.batch, 77, 2048), device),
        _made((shape.batch, 1280), device),
    )
    times, ids = (
        torch.full((shape.batch,), 500, device=device),
        _made((shape.batch, 6), device, 0.0),
    )

    def forward() -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            added = {"text_embeds": pooled, "time_ids": ids}
            out: Tensor = model(latents, times, text, added_cond_kwargs=added, return_dict=False)[0]
        return out

    return model, forward


def _made(size: tuple[int, ...], device: torch.device, value: float | None = None) -> Tensor:
    """A tensor in bfloat16, of one value or random."""
    import torch

    if value is None:
        return torch.randn(size, device=device, dtype=torch.bfloat16)
    return torch.full(size, value, device=device, dtype=torch.bfloat16)


def _wait(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak(name: str) -> float | None:
    return next((value for key, value in PEAK.items() if key in name), None)


if __name__ == "__main__":
    sys.exit(main())
