"""Files of weights: read without ever running what is in them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grandmaster.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

# Where one file name comes with several of them, the first counts.
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
Shapes = dict[str, tuple[int, ...]]

_FIX = "Ask its author for a .safetensors file, or save the bare state_dict anew."


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name.

    Safetensors as they are. Anything else through `torch.load(weights_only=True)`, which builds tensors and plain
    containers only and calls nothing (CVE-2025-32434 and CVE-2026-24747 are mended in torch 2.10). Usual wrappings
    (`state_dict`, `model`, `model_ema`, `module.`) are taken off, by timm.

    Raises:
        UserError: the file is damaged, holds more than weights, or no weights; names it.
    """
    from timm.models import load_state_dict
    from torch import Tensor

    try:
        found = load_state_dict(str(path))
    except RuntimeError as error:
        if "weights_only" not in str(error):
            raise _damaged(path, error) from error
        raise UserError(
            "refused: this file holds code to be run on loading, not weights alone", where=path, fix=_FIX
        ) from error
    except Exception as error:  # what damaged files make of the parsers is anything
        raise _damaged(path, error) from error
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError("there are no tensors in this file", where=path, fix=_FIX)
    return tensors


def tensor_shapes(path: Path) -> Shapes:
    """Names and shapes of a file's tensors; of safetensors only the header is read.

    Raises:
        UserError: as `read_tensors`.
    """
    if not path.is_file():
        raise UserError(
            "this file of weights is gone", where=path, fix="Put it back, or start a new run without it."
        )
    facts = path.stat()
    return dict(_shapes(path, facts.st_size, facts.st_mtime_ns))


@lru_cache(maxsize=64)
def _shapes(path: Path, _size: int, _time: int) -> Shapes:
    if path.suffix != ".safetensors":
        return {name: tuple(tensor.shape) for name, tensor in read_tensors(path).items()}
    from safetensors import SafetensorError, safe_open
    from timm.models import clean_state_dict

    try:
        with safe_open(path, framework="pt") as file:
            stored: dict[str, Any] = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    cleaned: Shapes = clean_state_dict(stored)
    return cleaned


def _damaged(path: Path, error: Exception) -> UserError:
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return UserError(
        f"this is no file of weights, or a damaged one: {line}", where=path, fix="Copy it again."
    )
