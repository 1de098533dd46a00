"""What a file could do beyond being wrong: fill the memory, run a program, or put itself into a page."""

from __future__ import annotations

import ast
import io
import json
import resource
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin, features
from torch import nn

from fuzz import fuzz
from fuzz_readers import make_readers, small_dicoms, small_pictures
from grandmaster.errors import UserError
from grandmaster.images.decode import PictureError, decode_picture, picture_size
from grandmaster.report.explore import write_exploration
from grandmaster.report.html import write_report
from grandmaster.training.checkpoint import TrainState, load_state, save_state, weights_of
from report.run_builder import make_competition, write_run

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "03_modeling").rglob("*.py"), *(ROOT / "04_training").rglob("*.py")])


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def patched(data: bytes, place: int, form: str, *numbers: int) -> bytes:
    """The same with these numbers written over it."""
    raw = struct.pack(form, *numbers)
    return data[:place] + raw + data[place + len(raw) :]


def huge(place: Path) -> dict[str, bytes]:
    """A small file of each format whose header claims a thousand million pixels and more, or as many as it can."""
    whole = {suffix: files[0] for suffix, files in small_pictures().items()}
    side = 60_000
    frame = whole[".jpg"].index(b"\xff\xc0")
    found = {
        ".jpg": patched(whole[".jpg"], frame + 5, ">HH", side, side),
        ".bmp": patched(whole[".bmp"], 18, "<ii", side, side),
        ".gif": patched(whole[".gif"], 6, "<HH", side, side),
        ".ppm": f"P6\n{side} {side}\n255\n".encode() + bytes(100),
        ".tif": _tiff(side, side, tile=0),
        ".dcm": b"".join(small_dicoms(place)[:1]),
    }
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    found[".png"] = whole[".png"][:8] + chunk + whole[".png"][33:]
    rows = found[".dcm"].index(b"\x28\x00\x10\x00US")
    columns = found[".dcm"].index(b"\x28\x00\x11\x00US")
    found[".dcm"] = patched(patched(found[".dcm"], rows + 8, "<H", side), columns + 8, "<H", side)
    if ".webp" in whole:
        buffer = io.BytesIO()
        Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(buffer, "WEBP", lossless=True, xmp=b"<x/>")
        extended = buffer.getvalue()
        at = extended.index(b"VP8X") + 12
        found[".webp"] = patched(extended, at, "<HBHB", 16383, 0, 16383, 0)
    if ".jp2" in whole:
        at = whole[".jp2"].index(b"ihdr")
        size = whole[".jp2"].index(b"\xff\x51")
        found[".jp2"] = patched(
            patched(whole[".jp2"], at + 4, ">II", side, side), size + 6, ">II", side, side
        )
    if ".avif" in whole:
        at = whole[".avif"].index(b"ispe")
        found[".avif"] = patched(whole[".avif"], at + 8, ">II", side, side)
    return found


def _tiff(width: int, height: int, *, tile: int, packed: bytes = b"") -> bytes:
    """Deflated, one tile (or strip) for all of it; the pixels lie behind the header."""
    tags: dict[int, tuple[str, int]] = {
        256: ("I", width), 257: ("I", height), 258: ("H", 8), 259: ("H", 8), 262: ("H", 1), 277: ("H", 1)
    }  # fmt: skip
    where, count = (324, 325) if tile else (273, 279)
    tags |= {322: ("I", tile), 323: ("I", tile)} if tile else {278: ("I", height)}
    tags |= {where: ("I", 8), count: ("I", len(packed))}
    body = b"".join(
        struct.pack("<HHI", tag, 4 if form == "I" else 3, 1) + struct.pack(f"<{form}", value).ljust(4, b"\0")
        for tag, (form, value) in sorted(tags.items())
    )
    return (
        b"II*\0"
        + struct.pack("<I", 8 + len(packed))
        + packed
        + struct.pack("<H", len(tags))
        + body
        + bytes(4)
    )


def packed_zeros(millions: int, *, bare: bool = False) -> bytes:
    packer = zlib.compressobj(9, wbits=-15 if bare else 15)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(millions)) + packer.flush()


@pytest.mark.fault(4, "headers that claim too much, of every format")
def test_what_a_header_claims_is_judged_before_memory_is_taken(
    tmp_path: Path, injected: list[object]
) -> None:
    before = peak_mb()
    for suffix, data in huge(tmp_path).items():
        path = tmp_path / f"huge{suffix}"
        path.write_bytes(data)
        for way in (picture_size, lambda path: decode_picture(path, path.read_bytes())):
            with pytest.raises(PictureError):
                way(path)
        injected.append(suffix)
    assert peak_mb() - before < 200


@pytest.mark.fault(4, "a TIFF of 64 x 64 px in one tile of 20,000 x 20,000")
def test_a_tile_far_larger_than_its_picture_is_refused(tmp_path: Path) -> None:
    before = peak_mb()
    with pytest.raises(PictureError, match="tiles of 20000 x 20000 px for 64 x 64 px"):
        decode_picture("a.tif", _tiff(64, 64, tile=20_000, packed=packed_zeros(4)))
    assert peak_mb() - before < 100


def test_tiles_as_they_are_written_are_fine() -> None:
    packed = zlib.compress(bytes(256 * 256))
    assert decode_picture("a.tif", _tiff(100, 60, tile=256, packed=packed)).pixels.shape == (60, 100, 3)
    assert TiffImagePlugin.TILEWIDTH == 322


@pytest.mark.fault(4, "a deflated DICOM that holds a thousand times its size")
def test_a_dicom_that_is_packed_as_a_whole_is_refused_before_it_is_unpacked() -> None:
    syntax = b"1.2.840.10008.1.2.1.99"
    element = struct.pack("<HH", 2, 0x10) + b"UI" + struct.pack("<H", len(syntax)) + syntax
    header = struct.pack("<HH", 2, 0) + b"UL" + struct.pack("<HI", 4, len(element)) + element
    data = bytes(128) + b"DICM" + header + packed_zeros(60, bare=True)
    before = peak_mb()
    with pytest.raises(PictureError, match="deflated"):
        decode_picture("a.dcm", data)
    assert peak_mb() - before < 30


@pytest.mark.fault(36, "a page of PostScript under a picture's name")
def test_no_picture_starts_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **_: started.append(args))
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\nshowpage\n"
    with pytest.raises(PictureError, match="not a picture in a known format"):
        decode_picture("a.jpg", page)
    assert started == []


def test_every_format_that_is_read_is_tried_here(tmp_path: Path) -> None:
    """Else `huge` and the fuzz readers lack one."""
    for suffix, files in small_pictures().items():
        for data in files:
            assert decode_picture(f"a{suffix}", data).pixels.shape in ((16, 24, 3), (24, 16, 3))
    assert features.check("webp")


FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
LOADERS = {"load", "load_all", "unsafe_load", "full_load", "read_pickle", "system"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}


def dangers(source: str) -> list[str]:
    """What would run code that lies in a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [name for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
        if not isinstance(node, ast.Call):
            continue
        last = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if last not in FORBIDDEN_CALLS | LOADERS and not any(
            keyword.arg == "shell" for keyword in node.keywords
        ):
            continue
        name = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if (
            name in FORBIDDEN_CALLS
            or name.startswith("os.system")
            or (
                name in ("yaml.load", "yaml.load_all")
                and given.get("Loader")
                not in (
                    "yaml.BaseLoader",
                    "yaml.SafeLoader",
                )
            )
            or name in ("yaml.unsafe_load", "yaml.full_load")
            or (name == "torch.load" and given.get("weights_only") != "True")
            or (name in ("np.load", "numpy.load") and given.get("allow_pickle", "False") != "False")
            or given.get("shell") == "True"
            or name == "pd.read_pickle"
        ):
            found.append(name)
    return found


@pytest.mark.fault(36, "a search of the sources for what would run code from a file")
def test_nothing_in_the_sources_runs_code_that_lies_in_a_file() -> None:
    assert {str(path): dangers(path.read_text(encoding="utf-8")) for path in SOURCES} == {
        str(path): [] for path in SOURCES
    }
    bad = "import pickle\nyaml.load(x)\ntorch.load(f)\neval('1')\nnp.load(f, allow_pickle=True)\nsubprocess.run(x, shell=True)\n"
    assert len(dangers(bad)) == 6


class Skeleton(HTMLParser):
    """Elements and the names of their attributes, in order; texts and values are left out."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, ...]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # The outline of a box around a text is left out where it lies beyond the figure.
        self.found.append((tag, *(name for name, _ in attrs if (tag, name) != ("path", "d"))))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment",))


# Free texts of the artefacts. A command is not among them: it is taken apart, and gives other advice if it cannot be.
FREE = {"reason", "why", "title", "text", "name", "experiment", "platform", "cpu", "python", "label", "id", "path", "competition", "source", "layout", "warnings", "problems", "notes", "classes", "members", "gpu", "versions", "backbone", "licence", "exact", "near", "examples", "metric_title"}  # fmt: skip
HOSTILE = (
    "\"'><img/src=x/onerror=alert(1)></style></title></section></svg><!--<iframe/src=//x>"
    "&lt;b&gt;&#60;i&#62;{{7*7}}{%raw%}$\\frac{'/onmouseover='x'/style='x:url(javascript:x)'/x='\u2028\x1b[31m"
)


def marked(value: Any, sign: str, key: str = "") -> Any:
    """The same artefact with the sign behind every free text."""
    if isinstance(value, dict):
        return {name: marked(item, sign, name) for name, item in value.items()}
    if isinstance(value, list):
        return [marked(item, sign, key) for item in value]
    return f"{value}{sign}" if isinstance(value, str) and key in FREE else value


def pages(place: Path, sign: str) -> list[list[tuple[str, ...]]]:
    names = tuple(f"{name}{sign}" for name in ("a", "b", "c"))
    folder_sign = sign.replace("/", "_").replace("\\", "_")
    competition = make_competition(
        place / f"data{folder_sign}"[:100],
        labels=names,
        names=names,
        per_class=5,
        test_images=4,
        id_suffix=sign,
    )
    run = place / f"run{folder_sign}"[:100]
    write_run(run, competition, epochs=2)
    for path in [*run.glob("*.json"), *run.glob("techniques/*.json")]:
        path.write_text(
            json.dumps(marked(json.loads(path.read_text(encoding="utf-8")), sign)), encoding="utf-8"
        )
    written = (write_report(run, competition), write_exploration(run, competition, command="python x"))
    return [Skeleton(path.read_text(encoding="utf-8")).found for path in written]


@pytest.mark.fault(13, "texts that are markup, in every place of both pages")
def test_no_text_of_the_data_becomes_part_of_the_page(tmp_path: Path) -> None:
    harmless = pages(
        tmp_path / "harmless", "w" * len(HOSTILE)
    )  # as long, for what is too long is left out of figures
    for found, wanted in zip(pages(tmp_path / "hostile", HOSTILE), harmless, strict=True):
        for place, (one, other) in enumerate(zip(found, wanted, strict=False)):
            assert one == other, f"{found[place - 3 : place + 3]} instead of {wanted[place - 3 : place + 3]}"
        assert len(found) == len(wanted)


@pytest.mark.fault(35, "a pointer to a checkpoint elsewhere, or to none")
@pytest.mark.parametrize("name", ["../fit/epoch_0001.safetensors", "/etc/passwd", "", "a\0b", "..", 7, None])
def test_a_checkpoint_lies_in_its_own_folder(tmp_path: Path, name: object) -> None:
    net = nn.Linear(2, 2)
    save_state(tmp_path / "fit", TrainState(epoch=1), weights_of(net), None, fit_digest="f")
    assert load_state(tmp_path / "fit", net, None, fit_digest="f") is not None
    path = tmp_path / "fit" / "last.json"
    pointer = json.loads(path.read_text())
    pointer["files"]["weights"] = name
    path.write_text(json.dumps(pointer))
    with pytest.raises(UserError, match=r"names no file of weights|checkpoint is damaged"):
        load_state(tmp_path / "fit", net, None, fit_digest="f")


@pytest.mark.fault(1, "mutated picture files of ten formats")
@pytest.mark.fault(35, "mutated checkpoints")
@pytest.mark.fault(42, "mutated tables, YAML and JSON")
def test_damaged_files_are_taken_or_refused(tmp_path: Path, injected: list[object]) -> None:
    """A short run of `make fuzz`, always with the same inputs."""
    (tmp_path / "finds").mkdir()
    tallies = fuzz(make_readers(tmp_path / "files"), seed=1, save=tmp_path / "finds", each=6)
    assert {name: tally.bugs for name, tally in tallies.items() if tally.bugs} == {}
    assert all(tally.accepted for tally in tallies.values())
    injected += [None] * sum(tally.inputs for tally in tallies.values())
