"""The embedded base's autoencoder in closed form: the principal components of patches, as weights of a standard class.

Hotelling (1933). A patch of 4 x 4 pixels is 48 numbers, of which 16 directions hold nearly all that pictures of people
vary in; an autoencoder of small convolutions that was trained for ten minutes of two cores kept less of them, above all
of colour. Everything is linear, so a mark keeps its contrast wherever it lies on the grid of patches. The decoder is
the linear one of least error (Wiener) from a cell and its eight neighbours when the latents err a little, as sampled
ones do: it evens out the seams between patches.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderDC
from numpy.typing import NDArray
from torch import Tensor, nn

LATENT_CHANNELS = 16
SIDE = 4  # pixels of a patch, and of a latent cell
# Components are divided by this power of their deviation: 0 would drown the small ones, which hold edges and marks, in
# the sampler's noise, 1 would let the faintest count as much as the whole tone of the skin.
_EVENED = 0.5
_ERROR = 0.3  # deviation of a sampled latent's error that the decoder reckons with, of the latents' own
_SMALL, _WIDE = 4 * SIDE, 4 * SIDE * SIDE  # channels at half and at quarter resolution: three colours and a constant
_CONSTANT = 64.0  # in the fourth colour, so large that the last normalisation divides by nearly the same everywhere
_ABOVE_ZERO = 4.0  # added before the last rectifier and taken off after it


def build_vae(pictures: NDArray[np.uint8]) -> AutoencoderDC:
    """The autoencoder of pictures (N, H, W, 3) RGB; latents have mean 0 and deviation 1 after scale and shift.

    Raises ValueError when the sides are no multiples of a patch.
    """
    height, width = pictures.shape[1:3]
    if height % SIDE or width % SIDE:
        raise ValueError(f"pictures are {width} x {height}, sides must be multiples of {SIDE}")
    grid = _patches(pictures)
    patches = grid.reshape(-1, grid.shape[-1])
    middle = patches.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov((patches - middle).T))
    directions = vectors[:, ::-1][:, :LATENT_CHANNELS].T  # (16, 48), the strongest first
    deviation = ((patches - middle) @ directions.T).std(axis=0)
    weight = np.maximum(deviation, 1e-3 * deviation[0]) ** _EVENED
    model = AutoencoderDC(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(_SMALL, _SMALL, _WIDE),
        decoder_block_out_channels=(_SMALL, _SMALL, _WIDE),
        encoder_layers_per_block=(0, 1, 1),
        decoder_layers_per_block=(0, 1, 1),
        encoder_qkv_multiscales=((), (), ()),
        decoder_qkv_multiscales=((), (), ()),
        encoder_out_shortcut=False,
        decoder_in_shortcut=False,
    )
    forward = directions / weight[:, None]
    scale = 1 / float(np.sqrt(np.mean((deviation / weight) ** 2)))
    kernel = _wiener((grid - middle) @ forward.T, grid - middle, _ERROR / scale)
    _fill(model, *(torch.from_numpy(x).float() for x in (forward, kernel, middle)))
    # What FluxPipeline asks of every autoencoder, and this class does not declare.
    model.register_to_config(scaling_factor=scale, shift_factor=0.0, block_out_channels=[_SMALL, _SMALL, _WIDE])
    return model.eval().requires_grad_(False)


def _patches(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N, h, w, 48) in -1 to 1, a patch's numbers in the order in which two pixel-unshuffles leave them."""
    values = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    halved = nn.functional.pixel_unshuffle(values, 2)
    quartered = nn.functional.pixel_unshuffle(halved, 2)
    return quartered.permute(0, 2, 3, 1).double().numpy()


def _wiener(codes: NDArray[np.float64], patches: NDArray[np.float64], error: float) -> NDArray[np.float64]:
    """Kernel (48, 16, 3, 3) that restores patches (N, h, w, 48) from codes (N, h, w, 16) with white errors best.

    Beyond the edge a code is 0, the middle of all, as the convolution will have it.
    """
    _, height, width, channels = codes.shape
    padded = np.pad(codes, ((0, 0), (1, 1), (1, 1), (0, 0)))
    around = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    known = np.concatenate(around, axis=-1).reshape(-1, 9 * channels)
    wanted = patches.reshape(-1, patches.shape[-1])
    spread = known.T @ known / len(known) + error**2 * np.eye(9 * channels)
    solved = np.linalg.solve(spread, known.T @ wanted / len(known))  # (9 * 16, 48)
    return np.asarray(solved.reshape(3, 3, channels, -1).transpose(3, 2, 0, 1), dtype=np.float64)


@torch.no_grad()
def _fill(model: AutoencoderDC, forward: Tensor, kernel: Tensor, middle: Tensor) -> None:
    """Write the weights: forward (16, 48), kernel (48, 16, 3, 3), mean patch (48,)."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 4 or name.endswith("bias") or ".norm." in name:
            parameter.zero_()  # residual blocks and convolutions beside a shortcut do nothing
    inner, outer = model.encoder, model.decoder
    colours = torch.arange(3)
    inner.conv_in.conv.weight[colours, colours, 1, 1] = 1
    inner.conv_out.weight[:, :48, 1, 1] = forward
    inner.conv_out.bias.copy_(-forward @ middle)
    outer.conv_in.weight[:48] = kernel
    outer.conv_in.bias[:48] = middle
    outer.conv_in.bias[48:] = _CONSTANT
    # Root mean square over the channels: one in four holds the constant.
    outer.norm_out.weight.fill_(_CONSTANT / 2)
    outer.norm_out.bias.fill_(_ABOVE_ZERO)
    own = torch.arange(12)
    outer.conv_out.conv.weight[own, own, 1, 1] = 1
    outer.conv_out.conv.bias.fill_(-_ABOVE_ZERO)
