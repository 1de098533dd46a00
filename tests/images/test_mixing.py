"""Targets of mixed pictures follow what can be seen in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grandmaster.images.mixing import mix_batch


def numbered(count: int, height: int = 20, width: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures whose pixels all carry one bit per picture, so that each pixel tells where it came from."""
    images = torch.stack([torch.full((3, height, width), float(2**row)) for row in range(count)])
    return images, torch.eye(count)


def composition(images: torch.Tensor, count: int) -> torch.Tensor:
    """(b, count): area share of each source, for pictures made by CutMix."""
    return torch.stack([(images[:, 0] == 2**row).float().mean(dim=(1, 2)) for row in range(count)], dim=1)


@pytest.mark.parametrize("size", [(20, 30), (7, 7), (1, 5)])
def test_cutmix_targets_equal_pixel_areas(size: tuple[int, int]) -> None:
    images, targets = numbered(8, *size)
    areas = []
    for seed in range(30):
        mixed, soft = mix_batch(
            images, targets, np.random.default_rng(seed), 1.0, own_share=(0.0, 1.0), cutmix_share=1.0
        )
        torch.testing.assert_close(soft, composition(mixed, 8), atol=1e-6, rtol=0)
        torch.testing.assert_close(soft.sum(dim=1), torch.ones(8))
        areas += soft.diagonal().tolist()
    assert min(areas) < 0.3 or size == (1, 5)
    assert max(areas) > 0.7


def test_mixup_targets_equal_the_weights() -> None:
    images, targets = numbered(8)
    for seed in range(20):
        mixed, soft = mix_batch(images, targets, np.random.default_rng(seed), 1.0, cutmix_share=0.0)
        expected = soft @ images[:, 0, 0, 0]
        torch.testing.assert_close(mixed, expected[:, None, None, None].expand_as(mixed))
        torch.testing.assert_close(soft.sum(dim=1), torch.ones(8))
        assert (soft.diagonal() >= 0.5 - 1e-6).all()
        assert (soft.diagonal() < 1).all()  # never its own partner
        assert ((soft > 0).sum(dim=1) == 2).all()


def test_own_share_stays_in_its_range_and_fills_it() -> None:
    images, targets = numbered(16, 4, 4)
    shares = torch.cat(
        [
            mix_batch(
                images, targets, np.random.default_rng(seed), 1.0, own_share=(0.6, 0.9), cutmix_share=0.0
            )[1].diagonal()
            for seed in range(100)
        ]
    )
    assert 0.6 <= shares.min() < 0.61
    assert 0.89 < shares.max() <= 0.9
    assert shares.mean() == pytest.approx(0.75, abs=0.01)


def test_alpha_is_that_of_the_beta_distribution() -> None:
    images, targets = numbered(16, 2, 2)

    def mean_share(alpha: float) -> float:
        shares = [
            mix_batch(images, targets, np.random.default_rng(seed), 1.0, alpha=alpha, cutmix_share=0.0)[
                1
            ].diagonal()
            for seed in range(40)
        ]
        return float(torch.cat(shares).mean())

    # Small: nearly always one picture or the other; large: nearly half of each.
    assert mean_share(0.05) > 0.95
    assert mean_share(1.0) == pytest.approx(0.75, abs=0.02)
    assert mean_share(50.0) < 0.56


def test_probability_is_the_share_of_mixed_pictures_and_the_rest_keep_every_bit() -> None:
    images, targets = torch.rand(16, 3, 8, 8), torch.eye(16)
    count = 0
    for seed in range(100):
        mixed, soft = mix_batch(images, targets, np.random.default_rng(seed), 0.3)
        alone = soft.diagonal() == 1
        assert torch.equal(mixed[alone], images[alone])
        assert torch.equal(soft[alone], targets[alone])
        count += int((~alone).sum())
    assert count / 1600 == pytest.approx(0.3, abs=0.04)


def test_inputs_are_untouched_and_the_generator_decides() -> None:
    images, targets = numbered(6)
    before = images.clone()
    first = mix_batch(images, targets, np.random.default_rng(5), 0.7)
    again = mix_batch(images, targets, np.random.default_rng(5), 0.7)
    other = mix_batch(images, targets, np.random.default_rng(6), 0.7)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])
    assert torch.equal(images, before)
    assert torch.equal(targets, torch.eye(6))


def test_a_single_picture_or_probability_0_changes_nothing() -> None:
    images, targets = numbered(1)
    assert mix_batch(images, targets, np.random.default_rng(0), 1.0)[0] is images
    images, targets = numbered(4)
    assert mix_batch(images, targets, np.random.default_rng(0), 0.0)[1] is targets


def test_memory_format_and_type_are_kept() -> None:
    images = torch.rand(4, 3, 8, 8).to(torch.bfloat16).to(memory_format=torch.channels_last)
    mixed, soft = mix_batch(images, torch.eye(4), np.random.default_rng(0), 1.0)
    assert mixed.dtype == torch.bfloat16
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    assert soft.dtype == torch.float32


def test_shares_out_of_range_are_refused() -> None:
    images, targets = numbered(4)
    for wrong in ({"own_share": (0.9, 0.5)}, {"cutmix_share": 1.5}):
        with pytest.raises(ValueError, match="out of range"):
            mix_batch(images, targets, np.random.default_rng(0), 0.5, **wrong)  # type: ignore[arg-type]
