"""What training a model took on this machine, from the speeds that runs have measured."""

from __future__ import annotations

import re
import statistics

import msgspec

from grandmaster.pipeline.speed import ProbeCache

# The form of `speed._key`.
_KEY = re.compile(
    r"^(?P<device>.*); torch [^;]*; timm [^;]*; (?P<model>[^;,]+), \d+ outputs; (?P<size>\d+) px x \d+; "
    r"(?P<micro>\d+) x (?P<steps>\d+); "
)


class MeasuredSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """Training speed of a model.

    Attributes:
        device: on which.
        size: side of the pictures, px.
        images_per_second: in training steps; reading and augmenting pictures comes on top.
    """

    device: str
    size: int
    images_per_second: float

    def minutes(self, images: int, epochs: int) -> float:
        """Of so many epochs of so many pictures, steps alone."""
        return images * epochs / self.images_per_second / 60

    def text(self, images: int | None = None) -> str:
        """In words; with `images`, also what an epoch of them takes."""
        line = f"{self.images_per_second:.3g} images/s at {self.size} px ({self.device})"
        return line if images is None else f"{line}: {self.minutes(images, 1):.2g} min an epoch of {images:,}"


def measured_speeds(cache: ProbeCache, timm_name: str) -> tuple[MeasuredSpeed, ...]:
    """All speeds of a model that were measured, the fastest of each device and size, largest pictures first."""
    best: dict[tuple[str, int], float] = {}
    for key, probe in cache.items():
        found = _KEY.match(key)
        if found is None or found["model"] != timm_name:
            continue
        pictures = int(found["micro"]) * int(found["steps"])
        seconds = min(statistics.median(probe.formats), statistics.median(probe.other_formats))
        place = found["device"], int(found["size"])
        best[place] = max(best.get(place, 0.0), pictures / seconds)
    speeds = (
        MeasuredSpeed(device=device, size=size, images_per_second=speed)
        for (device, size), speed in best.items()
    )
    return tuple(sorted(speeds, key=lambda speed: (speed.device, -speed.size)))
