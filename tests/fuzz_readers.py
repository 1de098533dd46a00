"""What `fuzz.py` feeds: each reader with small whole files that it takes and words that mean something to it."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from PIL import Image, features
from safetensors.torch import save as save_tensors
from torch import nn

from competition.layout_makers import LAYOUT_MAKERS
from competition.making import documents, read
from grandmaster.competition.csv_files import read_table
from grandmaster.competition.label_fixes import apply_label_fixes
from grandmaster.competition.predictions import Predictions
from grandmaster.config import Config
from grandmaster.eda.picture_table import PictureTable
from grandmaster.images.decode import PictureError, decode_picture, picture_size
from grandmaster.models.weight_files import read_tensors, tensor_shapes
from grandmaster.pipeline.ledger import COLUMNS, correlations, read_ledger
from grandmaster.pipeline.plan import read_plan
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.report.artefacts import read_run
from grandmaster.settings import convert, with_settings
from grandmaster.storage import read_json, read_jsonl
from grandmaster.training.checkpoint import TrainState, load_state, save_state, weights_of
from pipeline.small_competition import request, write_competition

CELLS = (
    *(b",", b";", b"\t", b'"', b'""', b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\0", b"NA", b"nan", b"inf", b"-inf", b"1e999"),
    *(b"001", b"=1+1", b"@x", b"../x", b"/etc/passwd", b"C:\\x", b"%2e%2e", "한글".encode(), "．．／".encode(), b"\xff\xfe"),
    *(b"9" * 30, b" ", b"0.5", b"drop", b"#", b"'", b"\x1b[31m", b"[/red]", b"x" * 200_000),
)  # fmt: skip
JSON_WORDS = (
    *(b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"-1", b"1e999", b"NaN", b"Infinity", b'"\\ud800"', b'"\\u0000"'),
    *(b"9" * 400, b"[" * 3000, b'{"a":' * 3000, b'""', b"0.5", b'"../../x"', b'"/etc/passwd"', b"\xff"),
)  # fmt: skip
YAML_WORDS = (
    *(b"- ", b": ", b"\n", b"  ", b"&a ", b"*a", b"!!python/object/apply:os.system ", b"!!binary ", b"<<: ", b"? ", b"|\n", b">\n"),
    *(b"layout: L3\n", b"kind: ordinal\n", b"train: ", b"images: [", b'"\\0"', b'"\\ud800"', b"../..", b"/etc/passwd", b"top_k: 9999\n"),
    *(b"classes: [a, b]\n", b"id_column: ID\n", b"target_columns: [target]\n", b"[" * 2000, b"---\n", b"%YAML 9.9\n", b"a" * 300, b"\xff"),
    *(b"extra_images: [{name: m, folder: ../x}]\n", b"extra_images: [{name: m, column: ID}]\n", b"metric: rmse\n", b"separator: ''\n"),
)  # fmt: skip
PICTURE_WORDS = (
    *(b"\xff\xd8\xff", b"\xff\xc0", b"\xff\xc2", b"\xff\xda", b"\xff\xd9", b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"eXIf"),
    *(b"II*\0", b"MM\0*", b"RIFF", b"WEBPVP8L", b"WEBPVP8X", b"ANIM", b"ALPH", b"GIF89a", b"\x21\xff\x0b", b"BM", b"P6\n9 9\n255\n"),
    *(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"ftypavif", b"jP  \r\n\x87\n", b"DICM", b"\xe0\x7f\x10\x00", b"Exif\0\0"),
    *(b"\x28\x00\x10\x00US\x02\x00\xff\xff", b"\x00\x01\x04\x00\x01\x00\x00\x00\xff\xff\xff\x7f", b"1.2.840.10008.1.2.1.99"),
)  # fmt: skip
SETTINGS = (
    *("training.epochs=7", "data.images=a,b", "training.learning_rate=1e-4", "prediction.tta_views=4", "model.pretrained=no"),
    *('data.extra_images=[{"name": "m", "folder": "x", "mode": "grey"}]', "data.kind=ordinal", "run.minutes=3.5", "folds.count=5"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A way in.

    Attributes:
        name: for tables and `--only`.
        whole: files as they should be.
        words: bytes that mean something in such files.
        read: takes one file's bytes; raises what the product raises.
        may_have_lines: whether its errors may have several lines, as they quote what they refuse.
    """

    name: str
    whole: Sequence[bytes]
    words: Sequence[bytes]
    read: Callable[[bytes], object]
    may_have_lines: bool = False


def make_readers(place: Path) -> list[Reader]:
    """All readers; they work below `place`."""
    return [
        *_picture_readers(place / "pictures"),
        *_competition_readers(place / "competitions"),
        *_run_readers(place / "run"),
        *_weight_readers(place / "weights"),
        Reader(
            name="settings",
            whole=[text.encode() for text in SETTINGS],
            words=(
                b"=",
                b".",
                b",",
                b"none",
                b"nan",
                b"inf",
                b"-1",
                "²".encode(),
                b"\xff",
                b"\0",
                *JSON_WORDS,
            ),
            # as Python hands over arguments that are no UTF-8
            read=lambda data: with_settings(Config(), [data.decode("utf-8", "surrogateescape")]),
            may_have_lines=True,
        ),
    ]


def _into(path: Path, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of files from one of bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def write_and_read(data: bytes) -> object:
        path.write_bytes(data)
        return read(path)

    return write_and_read


def small_pictures() -> dict[str, list[bytes]]:
    """Suffix -> files of 24 x 16 px in the ways that the format knows."""
    y, x = np.mgrid[0:16, 0:24]
    pixels = np.stack([x * 10, y * 15, (x * y) % 256], axis=2).astype(np.uint8)
    rgb = Image.fromarray(pixels)
    grey16 = Image.fromarray((x * 2000).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    other = Image.new("RGB", rgb.size, "red")

    def saved(kind: str, image: Image.Image = rgb, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    clear = rgb.convert("RGBA")
    clear.putalpha(100)
    found = {
        ".jpg": [
            saved("JPEG"),
            saved("JPEG", progressive=True, quality=30),
            saved("JPEG", exif=exif),
            saved("JPEG", rgb.convert("CMYK")),
            saved("JPEG", rgb.convert("L")),
        ],
        ".png": [
            saved("PNG"),
            saved("PNG", grey16),
            saved("PNG", clear),
            saved("PNG", rgb.convert("P"), transparency=3),
            saved("PNG", exif=exif, save_all=True, append_images=[other]),
        ],
        ".tif": [
            *(saved("TIFF", compression=name) for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
            saved("TIFF", grey16),
            saved("TIFF", rgb.convert("CMYK"), exif=exif),
            saved("TIFF", save_all=True, append_images=[other]),
        ],
        ".bmp": [saved("BMP"), saved("BMP", rgb.convert("P"))],
        ".gif": [saved("GIF"), saved("GIF", save_all=True, append_images=[other])],
        ".ppm": [saved("PPM"), saved("PPM", rgb.convert("L"))],
    }  # fmt: skip
    if features.check("webp"):
        found[".webp"] = [
            saved("WEBP"),
            saved("WEBP", clear, lossless=True),
            saved("WEBP", save_all=True, append_images=[other]),
        ]
    if features.check("jpg_2000"):
        found[".jp2"] = [saved("JPEG2000"), saved("JPEG2000", grey16), saved("JPEG2000", no_jp2=True)]
    if features.check("avif"):
        found[".avif"] = [saved("AVIF")]
    return found


def small_dicoms(place: Path) -> list[bytes]:
    """Files of 32 x 32 px; none where pydicom is not installed."""
    from images.test_dicom import ramp, save_dicom

    colour = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    files = [
        save_dicom(place / "plain.dcm", ramp()),
        save_dicom(place / "window.dcm", ramp(), WindowCenter=[1000, 50], WindowWidth=[500, 20]),
        save_dicom(
            place / "inverted.dcm",
            ramp(dtype=np.int16),
            kind="MONOCHROME1",
            RescaleSlope=2,
            RescaleIntercept=-9,
        ),
        save_dicom(place / "colour.dcm", colour, kind="RGB"),
        save_dicom(place / "frames.dcm", np.stack([ramp(), ramp()])),
    ]
    return [path.read_bytes() for path in files]


def read_every_way(path: Path, data: bytes) -> None:
    """The header scan, whole and at reduced size; they must agree about what they take."""
    path.write_bytes(data)
    try:
        small = decode_picture(path, data, at_least=8, side="longer")
    except PictureError:
        small = None
    size = picture_size(path)
    if small is not None:
        assert (small.width, small.height) == size, (
            "header scan and decoder at reduced size differ in the size"
        )
    whole = decode_picture(path, data)
    assert whole.pixels.dtype == np.uint8, "pixels are no bytes"
    assert whole.pixels.shape == (whole.height, whole.width, 3), "pixels have another shape than is said"
    assert (whole.width, whole.height) == size, "header scan and decoder differ in the size"


def _picture_readers(place: Path) -> list[Reader]:
    place.mkdir(parents=True)
    kinds = small_pictures() | {".dcm": small_dicoms(place)}
    return [
        Reader(
            name=f"picture {suffix[1:]}",
            whole=whole,
            words=PICTURE_WORDS,
            read=lambda data, path=place / f"current{suffix}": read_every_way(path, data),  # type: ignore[misc]
        )
        for suffix, whole in kinds.items()
    ]


def _read_twice(path: Path) -> None:
    """What is read and written again is read as the same table."""
    first = read_table(path)
    again = path.with_name("again.csv")
    first.to_csv(again, index=False, lineterminator="\r\n")
    second = read_table(again)
    assert second.to_dict("list") == first.to_dict("list"), "read again, the table is another one"


def _competition_readers(place: Path) -> list[Reader]:
    plain, fixed, described, coco = (place / name for name in ("plain", "fixed", "described", "coco"))
    for root in (plain, fixed, described):
        root.mkdir(parents=True)
        documents(root)
    coco.mkdir()
    LAYOUT_MAKERS["L12"](coco)
    annotations = next(
        path for path in sorted(coco.rglob("*.json")) if "train" in str(path.relative_to(coco)).lower()
    )
    competition = read(fixed)
    tables = [(plain / name).read_bytes() for name in ("train.csv", "sample_submission.csv", "meta.csv")]
    dialects = [
        tables[0].replace(b",", b";"),
        b"\xef\xbb\xbf" + tables[0].replace(b"\n", b"\r\n"),
        tables[0].decode().encode("utf-16"),
        b'id,label\n"a,b","x ""y"""\n"line\nbreak",NA\n',
    ]

    def of_folder(root: Path) -> Callable[[Path], object]:
        return lambda path: read(root)

    yaml = [
        b"layout: L1\nkind: multiclass\nid_column: ID\n",
        b"images: [train, test]\nclasses: ['2', '9', '10']\n",
        b'{"metric": "macro_f1"}\n',
    ]
    return [
        Reader(name="table", whole=[*tables, *dialects], words=CELLS, read=_into(place / "table.csv", _read_twice)),
        *(
            Reader(
                name=f"competition's {name}",
                whole=[(plain / name).read_bytes()],
                words=CELLS,
                read=_restoring(plain / name, of_folder(plain)),
                may_have_lines=True,
            )
            for name in ("train.csv", "sample_submission.csv", "meta.csv")
        ),
        Reader(name="competition.yaml", whole=yaml, words=YAML_WORDS, read=_into(described / "competition.yaml", of_folder(described)), may_have_lines=True),
        Reader(name="COCO", whole=[annotations.read_bytes()], words=JSON_WORDS, read=_restoring(annotations, of_folder(coco)), may_have_lines=True),
        Reader(
            name="label_fixes",
            whole=[b"id,label\nt0.jpg,2\nt1.jpg,drop\n", b"label;id\r\n10;t0.jpg\r\n"],
            words=(*CELLS, b"t0.jpg", b"t2.jpg,9\n"),
            read=_into(place / "label_fixes.csv", lambda path: apply_label_fixes(competition, path)),
            may_have_lines=True,
        ),
    ]  # fmt: skip


def _restoring(path: Path, read_path: Callable[[Path], object]) -> Callable[[bytes], object]:
    """Puts the whole file back, since other readers need it."""
    whole = path.read_bytes()

    def write_and_read(data: bytes) -> object:
        path.write_bytes(data)
        try:
            return read_path(path)
        finally:
            path.write_bytes(whole)

    return write_and_read


def _run_readers(place: Path) -> list[Reader]:
    data = write_competition(place / "squares")
    run_pipeline(request(data, place / "planned", until="plan"), SilentProgress())
    competition = read(data)
    planned = place / "planned"
    ledger = ",".join(COLUMNS) + "\n" + "".join(
        f"run{row},2026-01-0{row + 1},squares,macro_f1,0.{row + 5},0.4,0.9,,,,resnet,2 of 3,,0.{row + 4},\n" for row in range(4)
    )  # fmt: skip
    fingerprint = planned / "fingerprint.json"
    return [
        Reader(name="plan", whole=[(planned / "plan.json").read_bytes()], words=JSON_WORDS, read=_into(place / "plan.json", lambda path: read_plan(path, competition)), may_have_lines=True),
        Reader(name="config", whole=[msgspec.json.encode(Config())], words=JSON_WORDS, read=_into(place / "config.json", lambda path: convert(read_json(path), where=str(path))), may_have_lines=True),
        Reader(name="report's fingerprint", whole=[fingerprint.read_bytes()], words=JSON_WORDS, read=_restoring(fingerprint, lambda path: read_run(planned)), may_have_lines=True),
        Reader(name="lines of JSON", whole=[b'{"epoch": 1, "val_score": 0.5}\n{"epoch": 2, "val_score": null}\n'], words=JSON_WORDS, read=_into(place / "metrics.jsonl", read_jsonl), may_have_lines=True),
        Reader(name="ledger", whole=[ledger.encode()], words=CELLS, read=_into(place / "LEADERBOARD.csv", lambda path: correlations(read_ledger(path))), may_have_lines=True),
        *_arrays(place),
    ]  # fmt: skip


def _arrays(place: Path) -> list[Reader]:
    made = place / "made.npz"
    Predictions(ids=("a", "한", "001"), outputs=("x", "y"), values=np.full((3, 2), 0.5, np.float32)).save(
        made
    )
    predictions = made.read_bytes()
    names = np.array(["a", "b"])
    PictureTable(
        ids=names, split=names, names=("w", "h"), values=np.ones((2, 2)), fill=np.zeros(2, np.int16)
    ).save(made)
    words = (
        b"PK\x03\x04",
        b"PK\x01\x02",
        b"PK\x05\x06",
        b"\x93NUMPY",
        b"'descr': '|O'",
        b"'shape': (999999999999,)",
        b"<f8",
        b"<U9",
    )
    return [
        Reader(name="predictions", whole=[predictions], words=words, read=_into(place / "oof.npz", Predictions.load), may_have_lines=True),
        Reader(name="picture table", whole=[made.read_bytes()], words=words, read=_into(place / "table.npz", PictureTable.load), may_have_lines=True),
    ]  # fmt: skip


def _weight_readers(place: Path) -> list[Reader]:
    place.mkdir(parents=True)
    net = nn.Linear(3, 2)
    buffer = io.BytesIO()
    torch.save({"state_dict": net.state_dict(), "epoch": 3}, buffer)
    safe = save_tensors(dict(net.state_dict()))
    words = (b"PK\x03\x04", b"PK\x01\x02", b"cos\nsystem\n", b"\x80\x02", b"cbuiltins\neval\n", b'"F32"', b'"shape":[9999999999,9]', b'"data_offsets":[0,1]', *JSON_WORDS)  # fmt: skip
    number = itertools.count()

    def shapes_and_tensors(path: Path) -> None:
        new = path.with_stem(f"weights_{next(number) % 2}")  # shapes are kept by path, size and time
        path.replace(new)
        tensor_shapes(new)
        read_tensors(new)

    folder = place / "fit"
    save_state(
        folder,
        TrainState(epoch=1, history=[{"epoch": 1}], optimiser={"lr": 0.1}, scaler={}),
        weights_of(net),
        weights_of(net),
        fit_digest="f",
    )

    def load(path: Path) -> object:
        return load_state(folder, nn.Linear(3, 2), nn.Linear(3, 2), fit_digest="f")

    pointer = json.loads((folder / "last.json").read_text())
    return [
        Reader(name="weights pth", whole=[buffer.getvalue()], words=words, read=_into(place / "w.pth", shapes_and_tensors), may_have_lines=True),
        Reader(name="weights safetensors", whole=[safe], words=words, read=_into(place / "w.safetensors", shapes_and_tensors), may_have_lines=True),
        *(
            Reader(name=f"checkpoint's {what}", whole=[(folder / name).read_bytes()], words=words, read=_restoring(folder / name, load), may_have_lines=True)
            for what, name in {"pointer": "last.json", **pointer["files"]}.items()
        ),
    ]  # fmt: skip
