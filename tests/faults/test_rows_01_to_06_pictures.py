"""Pictures that cannot be read, or are not what they seem: rows 1 to 6, on a whole run."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.images.decode import PictureError, read_picture
from grandmaster.pipeline.run import run_pipeline
from grandmaster.storage import read_json
from pipeline.small_competition import Record, request, write_competition

ONE_FIT = ("folds.train=1", "training.epochs=1")


def whole_jpeg(path: Path) -> bytes:
    """A picture of noise, large enough to be cut in its middle."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path, "JPEG", quality=95)
    return path.read_bytes()


def bomb(side: int = 30_000) -> bytes:
    """A PNG of side x side white pixels; 110 kB for 30,000 (2.7 GB decoded)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = b"\0" + b"\xff" * ((side + 7) // 8)
    data = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def broken_files(place: Path) -> dict[str, bytes]:
    whole = whole_jpeg(place / "whole.jpg")
    return {
        "rubbish": b"not a picture",
        "empty": b"",
        "cut header": whole[:40],
        "cut in its middle": whole[: len(whole) // 2],
        "a page of HTML": b"<html>404 not found</html>",
    }


@pytest.mark.fault(1, "undecodable training pictures of five kinds")
@pytest.mark.fault(2, "undecodable test pictures of five kinds")
@pytest.mark.fault(3, "a JPEG cut in its middle, in train and test")
def test_rows_1_2_3_broken_pictures(tmp_path, injected):
    data = write_competition(tmp_path / "squares")
    broken = broken_files(tmp_path)
    for number, (what, content) in enumerate(broken.items()):
        for split in ("train", "test"):
            (data / split / f"{split}{number:03d}.png").write_bytes(content)
            injected.append(what)
    record, folder = Record(), tmp_path / "run"
    results = run_pipeline(request(data, folder, *ONE_FIT), record)
    # Counted and named, none swapped for a neighbour:
    assert results["quarantined"] == 10
    assert results["training_pictures"] == 48 - 5
    told = read_json(folder / "fingerprint.json")["unreadable"]
    assert {(entry["split"], entry["id"]) for entry in told} == {
        (split, f"{split}{number:03d}.png") for split in ("train", "test") for number in range(5)
    }
    assert all(entry["reason"] for entry in told)
    held = Predictions.load(folder / "ensemble" / "oof.npz").ids
    assert not set(held) & {f"train{number:03d}.png" for number in range(5)}
    # Their rows stay, with the stated fallback:
    test = Predictions.load(folder / "ensemble" / "test.npz")
    known = pd.read_csv(data / "train.csv").iloc[5:]["target"].value_counts(normalize=True).sort_index()
    for number in range(5):
        np.testing.assert_allclose(test.values[test.ids.index(f"test{number:03d}.png")], known, rtol=1e-5)
    assert len(pd.read_csv(folder / "submission_run.csv")) == 18
    assert any("unreadable" in message and message.startswith("warn") for message in record.messages)


@pytest.mark.fault(4, "a PNG of 30,000 x 30,000 px in 110 kB, as training and as test picture")
def test_row_4_a_decompression_bomb(tmp_path):
    data = write_competition(tmp_path / "squares")
    content = bomb()
    assert len(content) < 200_000
    (data / "train" / "train000.png").write_bytes(content)
    (data / "test" / "test001.png").write_bytes(content)
    before = psutil.Process().memory_info().rss
    with pytest.raises(PictureError, match="more than 178,956,970 pixels"):
        read_picture(data / "train" / "train000.png")
    assert psutil.Process().memory_info().rss - before < 100 * 2**20
    results = run_pipeline(request(data, tmp_path / "run", *ONE_FIT), Record())
    assert results["quarantined"] == 2
    assert len(pd.read_csv(tmp_path / "run" / "submission_run.csv")) == 18


@pytest.mark.fault(5, "a training and a test picture deleted, before the run and after it was planned")
@pytest.mark.parametrize("split", ["train", "test"])
def test_row_5_a_missing_picture_is_named(tmp_path, split):
    data = write_competition(tmp_path / "squares")
    folder = tmp_path / "run"
    gone = data / split / f"{split}003.png"
    gone.unlink()
    with pytest.raises(UserError, match=f"{split}003"):
        run_pipeline(request(data, folder, *ONE_FIT), Record())
    write_competition(tmp_path / "again")
    data = tmp_path / "again"
    run_pipeline(request(data, tmp_path / "later", *ONE_FIT, until="plan"), Record())
    (data / split / f"{split}003.png").unlink()
    with pytest.raises(UserError, match=f"{split}003"):
        run_pipeline(request(data, tmp_path / "later", *ONE_FIT), Record())


def odd_files(place: Path) -> dict[str, tuple[Path, np.ndarray]]:
    """Files that readers disagree about, each with the RGB pixels it stands for."""
    y, x = np.mgrid[0:48, 0:48]
    grey = (x * 5).astype(np.uint8)
    colour = np.stack([grey, (y * 5).astype(np.uint8), np.full_like(grey, 60)], axis=2)
    same = np.repeat(grey[:, :, None], 3, axis=2)
    files: dict[str, tuple[Path, np.ndarray]] = {}

    def save(name: str, image: Image.Image, pixels: np.ndarray, **options: object) -> None:
        path = place / name
        image.save(path, **options)
        files[name] = path, pixels

    save("16_bit.png", Image.fromarray(grey.astype(np.uint16) * 257), same)
    save("grey.png", Image.fromarray(grey), same)
    few = (colour // 64 * 64).astype(np.uint8)
    save("palette.png", Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE, colors=256), few)
    opaque = np.dstack([colour, np.full_like(grey, 255)])
    clear = opaque.copy()
    clear[:, 24:, 3] = 0
    on_white = colour.copy()
    on_white[:, 24:] = 255
    save("alpha.png", Image.fromarray(clear), on_white)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.png", Image.fromarray(np.ascontiguousarray(np.rot90(colour))), colour, exif=exif)
    save("cmyk.tif", Image.fromarray(colour).convert("CMYK"), colour)
    return files


@pytest.mark.fault(6, "16-bit, grey, palette, alpha, EXIF-turned and CMYK files")
def test_row_6_odd_files_have_one_result_everywhere(tmp_path, injected):
    for name, (path, pixels) in odd_files(tmp_path).items():
        found = read_picture(path)
        assert found.shape == (48, 48, 3), name
        assert found.dtype == np.uint8, name
        np.testing.assert_allclose(found.astype(int), pixels.astype(int), atol=2, err_msg=name)
        injected.append(name)
