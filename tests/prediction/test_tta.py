"""Every view can be undone, all differ, and what is predicted are probabilities per view."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from grandmaster.prediction.tta import ZOOM_IN, predict_views, views

NAMES = [view.name for view in views(8)]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def batch() -> torch.Tensor:
    """Smooth, so that interpolation is nearly exact, and without any symmetry."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 48), torch.linspace(0, 1, 48), indexing="ij")
    return torch.stack([torch.stack([x, y**2, x * y]), torch.stack([x**2, x - y, y])])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_inverse_restores_the_picture(batch: torch.Tensor, name: str, dtype: torch.dtype) -> None:
    view = views(8)[NAMES.index(name)]
    batch = batch.to(dtype)
    seen = view.augment(batch)
    assert seen.shape == batch.shape
    assert seen.dtype == dtype
    restored = view.inverse(seen)
    if name in ("nearer", "farther"):
        inner = slice(6, -6)  # the frame cut the rest off
        tolerance = 0.01 if dtype == torch.float32 else 0.03
        torch.testing.assert_close(
            restored[..., inner, inner], batch[..., inner, inner], atol=tolerance, rtol=0
        )
    else:
        assert torch.equal(restored, batch)


def test_all_views_differ_and_the_first_is_the_picture(batch: torch.Tensor) -> None:
    seen = [view.augment(batch) for view in views(8)]
    assert torch.equal(seen[0], batch)
    for (first, a), (second, b) in combinations(zip(NAMES, seen, strict=True), 2):
        assert (a - b).abs().mean() > 0.01, (first, second)


def test_zoom_magnifies_about_the_centre() -> None:
    dot = torch.zeros(1, 1, 101, 101)
    dot[..., 46:55, 66:75] = 1.0  # centre 20 px right of the middle
    y, x = torch.meshgrid(torch.arange(101.0), torch.arange(101.0), indexing="ij")
    for name, factor in (("nearer", ZOOM_IN), ("farther", 0.87)):
        seen = views(8)[NAMES.index(name)].augment(dot)[0, 0]
        assert float((seen * x).sum() / seen.sum()) == pytest.approx(50 + 20 * factor, abs=0.1)
        assert float((seen * y).sum() / seen.sum()) == pytest.approx(50, abs=0.1)
        assert float(seen.sum()) == pytest.approx(81 * factor**2, rel=0.03)


def test_zooming_out_invents_no_black_border() -> None:
    ones = torch.ones(1, 3, 16, 16)
    assert torch.allclose(views(8)[NAMES.index("farther")].augment(ones), ones)


def test_fewer_views_are_the_first_of_more() -> None:
    for n in (1, 2, 4):
        assert [view.name for view in views(n)] == NAMES[:n]
    assert NAMES[:4] == ["identity", "mirrored", "nearer", "farther"]
    with pytest.raises(ValueError, match="n is 3"):
        views(3)  # type: ignore[arg-type]


def test_predictions_are_probabilities_of_each_view(batch: torch.Tensor) -> None:
    def forward(pictures: torch.Tensor) -> torch.Tensor:
        top_left = pictures[:, :, :8, :8].mean(dim=(2, 3))
        return (top_left * 10).to(torch.bfloat16).float().softmax(-1)

    result = predict_views(forward, batch, 8)
    assert result.shape == (8, 2, 3)
    assert result.dtype == torch.float32
    # bfloat16 probabilities would be off by 1e-3
    torch.testing.assert_close(result.sum(dim=2), torch.ones(8, 2), atol=1e-6, rtol=0)
    for position, view in enumerate(views(8)):
        expected = forward(view.augment(batch))
        assert torch.equal(result[position], expected)
