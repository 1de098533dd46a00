"""What the documents say: class names, titles, and finite pools of names, dates, sums and sentences.

The pools are finite so that every text is rendered once and pasted often.
"""

from __future__ import annotations

import numpy as np

# As the contest spelled them, "lisence" included: the index is the target.
CLASS_NAMES = (
    "account_number",
    "application_for_payment_of_pregnancy_medical_expenses",
    "car_dashboard",
    "confirmation_of_admission_and_discharge",
    "diagnosis",
    "driver_lisence",
    "medical_bill_receipts",
    "medical_outpatient_certificate",
    "national_id_card",
    "passport",
    "payment_confirmation",
    "pharmaceutical_receipt",
    "prescription",
    "resume",
    "statement_of_opinion",
    "vehicle_registration_certificate",
    "vehicle_registration_plate",
)

# Wordings of a title; every class has the same number, so that a draw means the same for each.
TITLES: dict[int, tuple[str, str, str]] = {
    1: (
        "Application for Payment of Pregnancy Medical Expenses",
        "Pregnancy and Childbirth Expenses: Application for Payment",
        "Application: Medical Expenses for Pregnancy",
    ),
    3: (
        "Confirmation of Admission and Discharge",
        "Certificate of Admission and Discharge",
        "Confirmation of Hospital Admission",
    ),
    4: ("Diagnosis", "Medical Diagnosis", "Certificate of Diagnosis"),
    6: ("Medical Bill and Receipt", "Receipt of Medical Expenses", "Bill for Medical Care"),
    7: (
        "Medical Outpatient Certificate",
        "Certificate of Outpatient Care",
        "Confirmation of Outpatient Visit",
    ),
    10: ("Payment Confirmation", "Confirmation of Medical Payment", "Certificate of Payment"),
    11: ("PHARMACY RECEIPT", "Receipt of Medicines", "Pharmaceutical Receipt"),
    12: ("Prescription", "Medical Prescription", "PRESCRIPTION"),
    13: ("Resume", "RESUME", "Personal History"),
    14: ("Statement of Opinion", "Medical Opinion", "Doctor's Statement of Opinion"),
    15: (
        "Vehicle Registration Certificate",
        "Certificate of Vehicle Registration",
        "Motor Vehicle Registration",
    ),
}


def _split(text: str) -> list[str]:
    return text.split()


FAMILY = _split("KIM LEE PARK CHOI JUNG KANG CHO YOON JANG LIM HAN OH SEO SHIN KWON HWANG AHN SONG")
GIVEN = _split(
    "MINSEO JIHO SEOYEON HAJUN JIWOO DOYUN SUBIN YUJIN HYUN EUNJI TAEYANG SORA DAMI WOOJIN NARI JAE"
)

PLACES = _split("Seoul Busan Incheon Daegu Daejeon Gwangju Suwon Ulsan Jeju Mapo Gangnam Songpa Bundang")
_MEDICAL = _split(
    "patient treatment acute chronic pain fracture observed admitted therapy surgery follow up weeks required "
    "clinical findings lumbar disc right left knee fever inflammation of the and with after was under rest "
    "recommended examination blood pressure record department internal medicine symptoms improved care"
)
_OFFICE = _split(
    "project manager university bachelor company sales design team award school graduate office planning "
    "research engineer intern club volunteer service data system marketing head of and for the global member"
)
_LEGAL = _split(
    "the applicant hereby confirms that above information is true and agrees to processing of personal data "
    "payment shall be made within days account holder article act enforcement rule insurance national health "
    "this certificate is issued upon request for purpose stated must not be altered"
)
MEDICINES = _split(
    "Amoxicillin Ibuprofen Cetirizine Omeprazole Metformin Loratadine Azithromycin Prednisolone Famotidine "
    "Acetaminophen Codeine Mucosolvan Tramadol Diclofenac Rebamipide Levofloxacin"
)
FEES = _split(
    "Consultation Admission Meals Injection Medication Anaesthesia Surgery Laboratory Imaging CT MRI Ultrasound "
    "Rehabilitation Dental Transfusion Materials Procedure Psychiatry Radiology Nursing"
)
LABELS = _split(
    "Name Address Birth Sex Age Phone Number Date Period Department Ward Doctor Licence Hospital Purpose "
    "Disease Code Remarks Insured Relation Bank Account Class Issued Onset Visit"
)
VEHICLES = _split("SONATA AVANTE MORNING GRANDEUR TUCSON SORENTO CARNIVAL RAY SPORTAGE MALIBU SANTAFE")

_generator = np.random.default_rng(20)


def _pick(items: list[str], count: int) -> list[str]:
    return [items[index] for index in _generator.integers(0, len(items), count)]


def _lines(items: list[str], count: int) -> tuple[str, ...]:
    return tuple(" ".join(_pick(items, 13)).capitalize() for _ in range(count))


NAMES = tuple(f"{family} {given}" for family, given in zip(_pick(FAMILY, 24), _pick(GIVEN, 24), strict=True))
DATES = tuple(
    f"{_generator.integers(2004, 2024)}. {_generator.integers(1, 13):02d}. {_generator.integers(1, 29):02d}"
    for _ in range(32)
)
NUMBERS = tuple(
    f"{_generator.integers(100000, 999999)}-{_generator.integers(1000000, 9999999)}" for _ in range(32)
)
SUMS = tuple(f"{1000 * int(10 ** _generator.uniform(0, 3)):,}" for _ in range(40)) + ("0",) * 8
SMALL = tuple(str(number) for number in range(1, 31))
CODES = tuple(f"{_generator.integers(10**8, 10**9)}" for _ in range(24))
HOSPITALS = tuple(
    f"{place} {kind}"
    for place in PLACES[::2]
    for kind in ("General Hospital", "University Hospital", "Clinic", "Medical Center")
)
ADDRESSES = tuple(
    f"{_generator.integers(1, 300)} {street}-ro, {place}"
    for place, street in zip(
        _pick(PLACES, 24), _pick(["Teheran", "Sejong", "Hangang", "Dosan"], 24), strict=True
    )
)
PLATES = tuple(
    f"{_generator.integers(10, 400)}{'ABDEGHKMR'[_generator.integers(9)]} {_generator.integers(1000, 10000)}"
    for _ in range(120)
)
MEDICAL = _lines(_MEDICAL, 28)
OFFICE = _lines(_OFFICE, 20)
LEGAL = _lines(_LEGAL, 20)
