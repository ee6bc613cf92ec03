"""The weighed loss: what survives the way to the latent grid, and what the weight does to a step."""

from __future__ import annotations

import pytest
import torch

from training.losses import MarkSpot, adapter_sigma, flow_matching_loss, mark_weights


@pytest.mark.parametrize("u", [10.0, 11.5, 13.9, 15.2])
def test_a_two_pixel_mark_keeps_its_full_weight_wherever_it_falls(u: float) -> None:
    weights = mark_weights([MarkSpot(u, 20.0, 1.0)], pixels=80, stride=4, weight=10.0)
    assert weights.shape == (20, 20)
    assert weights[5, int(u / 4)] / weights[0, 0] == pytest.approx(10.0)
    assert weights.mean() == pytest.approx(1.0)


def test_without_marks_or_with_weight_one_the_map_is_flat() -> None:
    spot = [MarkSpot(40, 40, 5)]
    assert torch.equal(mark_weights([], pixels=80, stride=4, weight=10.0), torch.ones(20, 20))
    assert torch.equal(mark_weights(spot, pixels=80, stride=4, weight=1.0), torch.ones(20, 20))


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="mark weight must be 1 .* or more, got 0.5"):
        mark_weights([], pixels=80, stride=4, weight=0.5)
    with pytest.raises(ValueError, match="crop of 82 x 82 px is not a whole number of latent cells of 4 px"):
        mark_weights([], pixels=82, stride=4, weight=10)


def test_loss_is_zero_for_the_true_velocity_and_grows_with_an_error_on_a_mark() -> None:
    latents, noise = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
    sigma, weights = torch.tensor([0.3]), torch.ones(1, 4, 4)
    weights[0, 1, 1] = 10.0

    def truth(noisy: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        assert torch.allclose(noisy, torch.full_like(noisy, 0.3))
        assert torch.equal(level, sigma)
        return noise - latents

    def wrong_at(row: int, column: int) -> float:
        velocity = (noise - latents).clone()
        velocity[:, :, row, column] += 1
        loss = flow_matching_loss(lambda n, s: velocity, latents, noise=noise, sigma=sigma, weights=weights)
        return float(loss)

    assert float(flow_matching_loss(truth, latents, noise=noise, sigma=sigma, weights=weights)) == 0
    assert wrong_at(1, 1) == pytest.approx(10 * wrong_at(3, 3))


def test_an_adapter_sees_nearly_pure_noise_often_enough() -> None:
    sigma = adapter_sigma(20_000, torch.Generator().manual_seed(3))
    assert 0 < float(sigma.min()) < 0.01
    assert float(sigma.max()) <= 1
    assert float(sigma.median()) == pytest.approx(1 - 0.5**1.5, abs=0.01)
    assert float((sigma > 0.95).float().mean()) == pytest.approx(0.05 ** (1 / 1.5), abs=0.01)
    assert torch.equal(sigma, adapter_sigma(20_000, torch.Generator().manual_seed(3)))
    usual = torch.sigmoid(torch.randn(20_000, generator=torch.Generator().manual_seed(3)))  # Esser et al. 2024
    assert float((usual > 0.95).float().mean()) < 0.005  # the control: the usual levels do not
