"""A small competition for each layout, with the column names of a public one and pictures that can be learned.

`LAYOUT_MAKERS["L5"](folder)` makes one and returns the folder. Pictures are 40 px; what is to be predicted is how
bright the cells of a 3 x 3 grid are, on noise.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

SIDE, CELL = 40, 12


def picture(marks: Sequence[float], seed: int) -> np.ndarray:
    """uint8 (40, 40, 3): a background of its own, and cell i of the grid brighter by `marks[i]` (0 to 1)."""
    rng = np.random.default_rng(seed)
    # Patches that no other picture has: on noise alone pictures of one class would be near-duplicates.
    patches = rng.integers(0, 50, (8, 8, 3), np.uint8)
    image = cv2.resize(patches, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    image += rng.integers(0, 20, (SIDE, SIDE, 3), np.uint8)
    for place, mark in enumerate(marks):
        top, left = 2 + place // 3 * CELL, 2 + place % 3 * CELL
        image[top : top + CELL, left : left + CELL] += np.uint8(180 * mark)
    return image


def draw(path: Path, marks: Sequence[float], seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".dcm":
        _write_dicom(path, picture(marks, seed)[:, :, 0])
    else:
        assert cv2.imwrite(str(path), picture(marks, seed))


def _write_dicom(path: Path, grey: np.ndarray) -> None:
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = pydicom.Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = grey.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = grey.tobytes()
    data.save_as(path, enforce_file_format=True)


def one_hot(place: int, count: int) -> list[float]:
    return [float(number == place) for number in range(count)]


def table(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    """A CSV file; `header` is its first line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(next(csv.reader([header])))
        writer.writerows(rows)


def cassava(root: Path) -> Path:
    """L1, hard integer: cassava-leaf-disease-classification."""
    for n in range(20):
        draw(root / "train_images" / f"{1000 + n}.jpg", one_hot(n % 4, 4), n)
    for n in range(6):
        draw(root / "test_images" / f"{2000 + n}.jpg", one_hot(n % 4, 4), 100 + n)
    table(root / "train.csv", "image_id,label", ((f"{1000 + n}.jpg", n % 4) for n in range(20)))
    table(root / "sample_submission.csv", "image_id,label", ((f"{2000 + n}.jpg", 3) for n in range(6)))
    names = ["Cassava Bacterial Blight (CBB)", "Cassava Mosaic Disease (CMD)", "Healthy", "Green Mottle"]
    (root / "label_num_to_disease_map.json").write_text(
        json.dumps({str(n): name for n, name in enumerate(names)})
    )
    return root


def dog_breed(root: Path) -> Path:
    """L2, wide class probabilities: dog-breed-identification."""
    breeds = ["affenpinscher", "black-and-tan_coonhound", "chow"]
    for n in range(18):
        draw(root / "train" / f"{n:03d}bec180eb18c7604dcecc8fe0dba07.jpg", one_hot(n % 3, 3), n)
    for n in range(6):
        draw(root / "test" / f"a{n}3621d2b9.jpg", one_hot(n % 3, 3), 100 + n)
    rows = [(f"{n:03d}bec180eb18c7604dcecc8fe0dba07", breeds[n % 3]) for n in range(18)]
    table(root / "labels.csv", "id,breed", rows)
    header = ",".join(["id", *breeds])
    third = "0.333333333333"
    table(root / "sample_submission.csv", header, ([f"a{n}3621d2b9", third, third, third] for n in range(6)))
    return root


def plant_pathology_2020(root: Path) -> Path:
    """L3, one-hot columns: plant-pathology-2020-fgvc7."""
    for split, count in (("Train", 20), ("Test", 6)):
        for n in range(count):
            draw(root / "images" / f"{split}_{n}.jpg", one_hot(n % 4, 4), n + 100 * (split == "Test"))
    header = "image_id,healthy,multiple_diseases,rust,scab"
    rows = ([f"Train_{n}", *(int(mark) for mark in one_hot(n % 4, 4))] for n in range(20))
    table(root / "train.csv", header, rows)
    table(root / "test.csv", "image_id", ([f"Test_{n}"] for n in range(6)))
    table(root / "sample_submission.csv", header, ([f"Test_{n}", *["0.25"] * 4] for n in range(6)))
    return root


def plant_pathology_2021(root: Path) -> Path:
    """L4, label sets: plant-pathology-2021-fgvc8."""
    sets = ["healthy", "scab", "scab frog_eye_leaf_spot complex", "frog_eye_leaf_spot", "complex", "rust"]
    labels = ["healthy", "scab", "frog_eye_leaf_spot", "complex", "rust"]

    def marks(text: str) -> list[float]:
        return [float(label in text.split()) for label in labels]

    for n in range(24):
        draw(root / "train_images" / f"8{n:03d}cb321f8c7ca.jpg", marks(sets[n % 6]), n)
    for n in range(6):
        draw(root / "test_images" / f"85f8cb619c66b8{n}.jpg", marks(sets[n]), 100 + n)
    table(root / "train.csv", "image,labels", ((f"8{n:03d}cb321f8c7ca.jpg", sets[n % 6]) for n in range(24)))
    table(
        root / "sample_submission.csv",
        "image,labels",
        ((f"85f8cb619c66b8{n}.jpg", "healthy") for n in range(6)),
    )
    return root


def ranzcr(root: Path) -> Path:
    """L5, wide independent probabilities, groups: ranzcr-clip-catheter-line-classification."""
    labels = ["ETT - Abnormal", "ETT - Normal", "NGT - Incompletely Imaged", "Swan Ganz Catheter Present"]
    uid = "1.2.826.0.1.3680043.8.498."
    marks = [[(n >> place) & 1 for place in range(4)] for n in range(24)]
    for n in range(24):
        draw(root / "train" / f"{uid}{n:05d}.jpg", marks[n], n)
    for n in range(6):
        draw(root / "test" / f"{uid}9{n:04d}.jpg", marks[n], 100 + n)
    patients = [f"ec89415d{n // 4}" for n in range(24)]
    header = ",".join(["StudyInstanceUID", *labels])
    table(
        root / "train.csv",
        f"{header},PatientID",
        ([f"{uid}{n:05d}", *marks[n], patients[n]] for n in range(24)),
    )
    table(root / "sample_submission.csv", header, ([f"{uid}9{n:04d}", 0, 0, 0, 0] for n in range(6)))
    return root


def siim_isic(root: Path) -> Path:
    """L6, one probability, metadata, groups: siim-isic-melanoma-classification."""
    for n in range(24):
        draw(root / "jpeg" / "train" / f"ISIC_{n:07d}.jpg", one_hot(n % 2, 2), n)
    for n in range(6):
        draw(root / "jpeg" / "test" / f"ISIC_1{n:06d}.jpg", one_hot(n % 2, 2), 100 + n)
    about = "image_name,patient_id,sex,age_approx,anatom_site_general_challenge"

    def facts(name: str, n: int) -> list[object]:
        return [
            name,
            f"IP_{7279968 + n // 3}",
            ("male", "female")[n % 2],
            "" if n == 3 else 45.0,
            "head/neck",
        ]

    table(
        root / "train.csv",
        f"{about},diagnosis,benign_malignant,target",
        (
            [*facts(f"ISIC_{n:07d}", n), ("nevus", "melanoma")[n % 2], ("benign", "malignant")[n % 2], n % 2]
            for n in range(24)
        ),
    )
    table(root / "test.csv", about, (facts(f"ISIC_1{n:06d}", 50 + n) for n in range(6)))
    table(root / "sample_submission.csv", "image_name,target", ((f"ISIC_1{n:06d}", 0) for n in range(6)))
    return root


def pawpularity(root: Path) -> Path:
    """L7, real number, metadata: petfinder-pawpularity-score."""
    facts = "Subject Focus,Eyes,Face,Near,Action,Accessory,Group,Collage,Human,Occlusion,Info,Blur"

    def flags(n: int) -> list[int]:
        return [(n >> place % 5) & 1 for place in range(12)]

    scores = [4 * n + 1 for n in range(24)]
    for n in range(24):
        draw(root / "train" / f"{n:04d}ef0a4f84.jpg", [scores[n] / 100] * 9, n)
    for n in range(6):
        draw(root / "test" / f"43a2262d{n}.jpg", [n / 6] * 9, 100 + n)
    rows = ([f"{n:04d}ef0a4f84", *flags(n), scores[n]] for n in range(24))
    table(root / "train.csv", f"Id,{facts},Pawpularity", rows)
    table(root / "test.csv", f"Id,{facts}", ([f"43a2262d{n}", *flags(n)] for n in range(6)))
    values = ["75.56", "71.21", "41.81", "14.74", "76.29", "15.00"]
    table(root / "sample_submission.csv", "Id,Pawpularity", ((f"43a2262d{n}", values[n]) for n in range(6)))
    return root


def aptos(root: Path) -> Path:
    """L8, ordinal: aptos2019-blindness-detection."""
    for n in range(20):
        draw(root / "train_images" / f"{n:03d}c1aeb85c9.png", [n % 5 / 4] * 9, n)
    for n in range(6):
        draw(root / "test_images" / f"0005cfc8afb{n}.png", [n % 5 / 4] * 9, 100 + n)
    table(root / "train.csv", "id_code,diagnosis", ((f"{n:03d}c1aeb85c9", n % 5) for n in range(20)))
    table(root / "test.csv", "id_code", ([f"0005cfc8afb{n}"] for n in range(6)))
    table(root / "sample_submission.csv", "id_code,diagnosis", ((f"0005cfc8afb{n}", 0) for n in range(6)))
    return root


def paddy(root: Path) -> Path:
    """L9, hard string: paddy-disease-classification."""
    labels = ["bacterial_leaf_blight", "normal", "tungro"]
    for n in range(18):
        draw(root / "train_images" / labels[n % 3] / f"{100330 + n}.jpg", one_hot(n % 3, 3), n)
    for n in range(6):
        draw(root / "test_images" / f"{200001 + n}.jpg", one_hot(n % 3, 3), 100 + n)
    rows = ((f"{100330 + n}.jpg", labels[n % 3], ("ADT45", "IR20")[n % 2], 45 + n) for n in range(18))
    table(root / "train.csv", "image_id,label,variety,age", rows)
    table(root / "sample_submission.csv", "image_id,label", ((f"{200001 + n}.jpg", "") for n in range(6)))
    return root


def plant_seedlings(root: Path) -> Path:
    """L10, hard string with blanks: plant-seedlings-classification."""
    species = ["Black-grass", "Common wheat", "Shepherds Purse"]
    for n in range(18):
        draw(root / "train" / species[n % 3] / f"{n:03d}f38b3.png", one_hot(n % 3, 3), n)
    for n in range(6):
        draw(root / "test" / f"00c47e980{n}.png", one_hot(n % 3, 3), 100 + n)
    rows = ((f"00c47e980{n}.png", "Common wheat") for n in range(6))
    table(root / "sample_submission.csv", "file,species", rows)
    return root


def dogs_vs_cats(root: Path) -> Path:
    """L11, one probability: dogs-vs-cats-redux-kernels-edition."""
    for n in range(20):
        draw(root / "train" / f"{('cat', 'dog')[n % 2]}.{n // 2}.jpg", one_hot(n % 2, 2), n)
    for n in range(6):
        draw(root / "test1" / f"{n + 1}.jpg", one_hot(n % 2, 2), 100 + n)
    table(root / "sampleSubmission.csv", "id,label", ((n + 1, "0.5") for n in range(6)))
    return root


def herbarium(root: Path) -> Path:
    """L12, hard integer: herbarium-2020-fgvc7."""
    names = {15504: "Aphanocalyx microphyllus", 8106: "Ipomoea alba", 3: "Carex foo"}
    kinds = list(names)
    images, annotations, hidden = [], [], []
    for n in range(18):
        name = f"images/{n % 3:03d}/{n:02d}/{437000 + n}.jpg"
        draw(root / "nybg2020" / "train" / name, one_hot(n % 3, 3), n)
        images.append({"file_name": name, "height": SIDE, "width": SIDE, "id": 437000 + n, "license": 1})
        annotations.append({"category_id": kinds[n % 3], "id": n, "image_id": 437000 + n, "region_id": n % 4})
    for n in range(6):
        draw(root / "nybg2020" / "test" / f"images/000/{n}.jpg", one_hot(n % 3, 3), 100 + n)
        hidden.append({"file_name": f"images/000/{n}.jpg", "height": SIDE, "width": SIDE, "id": n})
    categories = [{"id": key, "name": name, "family": "x", "genus": "y"} for key, name in names.items()]
    known = {"images": images, "annotations": annotations, "categories": categories, "info": {"year": 2020}}
    (root / "nybg2020" / "train" / "metadata.json").write_text(json.dumps(known))
    (root / "nybg2020" / "test" / "metadata.json").write_text(json.dumps({"images": hidden}))
    table(root / "sample_submission.csv", "Id,Predicted", ((n, 0) for n in range(6)))
    return root


def rsna_breast(root: Path, suffix: str = ".png") -> Path:
    """L13, one row per group: rsna-breast-cancer-detection; two views of each of two breasts a patient."""

    def rows(split: str, patients: range, first: int) -> list[list[object]]:
        found: list[list[object]] = []
        for patient in patients:
            for place in range(4):
                image, side, cancer = (
                    first + len(found),
                    "LR"[place // 2],
                    int(patient % 2 == 0 and place < 2),
                )
                draw(root / f"{split}_images" / str(patient) / f"{image}{suffix}", [cancer] * 5, image)
                found.append([2, patient, image, side, ("CC", "MLO")[place % 2], 61.0, cancer])
        return found

    known, hidden = rows("train", range(10006, 10012), 3000), rows("test", range(10020, 10022), 7000)
    table(root / "train.csv", "site_id,patient_id,image_id,laterality,view,age,cancer", known)
    table(
        root / "test.csv",
        "site_id,patient_id,image_id,laterality,view,age,prediction_id",
        ([*row[:6], f"{row[1]}_{row[3]}"] for row in hidden),
    )
    ids = dict.fromkeys(f"{row[1]}_{row[3]}" for row in hidden)
    rows_asked = ((name, "0.021168885230255") for name in sorted(ids, reverse=True))
    table(root / "sample_submission.csv", "prediction_id,cancer", rows_asked)
    return root


def humpback(root: Path) -> Path:
    """L14, ranked labels, a class for the unknown: humpback-whale-identification."""
    whales = ["new_whale", *(f"w_{n}287fbc" for n in range(6))]
    for n in range(21):
        draw(root / "train" / f"{n:04d}e15a.jpg", one_hot(n % 7, 7), n)
    for n in range(6):
        draw(root / "test" / f"00028a00{n}.jpg", one_hot(n % 7, 7), 100 + n)
    table(root / "train.csv", "Image,Id", ((f"{n:04d}e15a.jpg", whales[n % 7]) for n in range(21)))
    best = " ".join(whales[:5])
    table(root / "sample_submission.csv", "Image,Id", ((f"00028a00{n}.jpg", best) for n in range(6)))
    return root


LAYOUT_MAKERS: dict[str, Callable[[Path], Path]] = {
    "L1": cassava,
    "L2": dog_breed,
    "L3": plant_pathology_2020,
    "L4": plant_pathology_2021,
    "L5": ranzcr,
    "L6": siim_isic,
    "L7": pawpularity,
    "L8": aptos,
    "L9": paddy,
    "L10": plant_seedlings,
    "L11": dogs_vs_cats,
    "L12": herbarium,
    "L13": rsna_breast,
    "L14": humpback,
}
