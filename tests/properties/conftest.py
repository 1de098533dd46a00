"""Few examples and always the same: `make test` must not depend on chance; `tests/fuzz.py` looks further."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=15,
    # Folders are made by the tests themselves, a new one for each example.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("tests")
