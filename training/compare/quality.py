"""PSNR and SSIM inside her mask: how near the pixels are. They cannot see a lost birthmark and gate nothing."""

from __future__ import annotations

import math

import numpy as np

from training.compare.colour import U8, Bool

_SSIM_SIGMA = 1.5  # the Gaussian window of the SSIM paper (Wang et al. 2004)


def psnr_db(reference: U8, render: U8, mask: Bool) -> float:
    """Peak signal-to-noise ratio in dB over the masked pixels of all three channels; 99 for equal pictures."""
    _require(reference, render, mask)
    error = reference[mask].astype(np.float64) - render[mask]
    mse = float((error**2).mean())
    return 99.0 if mse == 0 else min(99.0, 10 * math.log10(255.0**2 / mse))


def ssim(reference: U8, render: U8, mask: Bool) -> float:
    """Structural similarity, averaged over the mask.

    scikit-image's full map with the Gaussian window of the paper, so that only windows centred on her count; the
    background enters by at most five pixels at her silhouette.
    """
    from skimage.metrics import structural_similarity

    _require(reference, render, mask)
    _, full = structural_similarity(
        reference, render, channel_axis=2, full=True, gaussian_weights=True, sigma=_SSIM_SIGMA,
        use_sample_covariance=False, data_range=255,
    )  # fmt: skip
    return float(np.asarray(full)[mask].mean())


def _require(reference: U8, render: U8, mask: Bool) -> None:
    if reference.shape != render.shape or mask.shape != reference.shape[:2]:
        raise ValueError(f"pictures are {reference.shape} and {render.shape}, mask {mask.shape}; give equal sizes")
    if not mask.any():
        raise ValueError("mask is empty: no pixel to compare; give the mask of the person")
