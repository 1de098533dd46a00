"""The plan of a training that is not started: computed by a process of its own, which can be given up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from grandmaster.errors import UserError
from grandmaster.page.application import Application
from grandmaster.pipeline.later import Later
from grandmaster.pipeline.plan import Plan
from grandmaster.storage import plain
from grandmaster.texts import JSON_DAMAGE

Number = Annotated[float, Meta(ge=0.0)]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One decision with its reason."""

    name: str
    value: str
    reason: str


class PlannedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What one model of a plan costs; minutes are of one fold."""

    backbone: str
    weights: str
    pretrained: bool
    licence: str
    input_size: int
    micro_batch: int
    accumulation: int
    epochs: int
    minutes: Number
    memory_gb: Number
    disk_gb: Number


class PlannedOperation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of the augmentation, and how often it is done."""

    name: str
    share: float
    reason: str


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A plan to look at.

    Attributes:
        folds_trained, folds_total: of every model.
        later: what may come after it, and for how many seconds at most.
        notes: warnings.
    """

    choices: tuple[Choice, ...]
    models: tuple[PlannedModel, ...]
    folds_trained: int
    folds_total: int
    operations: tuple[PlannedOperation, ...]
    later: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]

    @property
    def minutes(self) -> float:
        """Of all models and folds."""
        return sum(model.minutes for model in self.models) * self.folds_trained

    @property
    def memory_gb(self) -> float:
        """At the fullest, GiB."""
        return max((model.memory_gb for model in self.models), default=0.0)


def described(plan: Plan, later: Sequence[Later]) -> Planned:
    """What there is to see of a plan."""
    return Planned(
        choices=tuple(
            Choice(name=name.replace("_", " "), value=_words(value), reason=reason)
            for name, value, reason in plan.lines()
        ),
        models=tuple(
            PlannedModel(
                backbone=model.backbone,
                weights=model.weights.source,
                pretrained=model.weights.pretrained,
                licence=model.licence,
                input_size=model.input_size,
                micro_batch=model.micro_batch,
                accumulation=model.accumulation,
                epochs=model.epochs,
                minutes=max(0.0, model.minutes_per_fold),
                memory_gb=model.memory_gb,
                disk_gb=model.disk_gb,
            )
            for model in plan.models
        ),
        folds_trained=plan.folds_trained,
        folds_total=plan.folds_total,
        operations=tuple(
            PlannedOperation(name=item.name, share=item.probability, reason=item.reason)
            for item in plan.operations
        ),
        later=tuple((stage.name, stage.seconds) for stage in later),
        notes=plan.notes,
    )


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def encoded(planned: Planned) -> str:
    """One line of JSON."""
    return msgspec.json.encode(plain(planned)).decode()


def decoded(line: str) -> Planned:
    """What `encoded` wrote.

    Raises:
        UserError: it is something else.
    """
    try:
        return msgspec.json.decode(line, type=Planned)
    except JSON_DAMAGE as error:
        raise UserError(f"no plan came back: {error}") from error


class Planning:
    """One plan on its way."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    def give_up(self) -> None:
        """End the process; what waits for its lines sees their end."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def lines(self, application: Application, flags: Sequence[str]) -> AsyncIterator[str | Planned]:
        """What is being done, line by line; last the plan. Without a plan at the end it was given up.

        Raises:
            UserError: the flags are wrong, or the process says that something else is.
        """
        whole = [*flags, "--output", str(application.results), "--dry_run"]
        application.check(whole)
        self._process = await asyncio.create_subprocess_exec(
            *application.plan,
            *whole,
            cwd=application.root,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=16 * 2**20,  # of a line: a plan of many models is one
        )
        assert self._process.stdout is not None
        said, found = "", None
        try:
            async for raw in self._process.stdout:
                line = raw.decode("utf-8", errors="replace").rstrip()
                if line.startswith("{"):
                    found = decoded(line)
                elif line:
                    said = line
                    yield line
            code = await self._process.wait()
        finally:
            self.give_up()
            await self._process.wait()
        if found is not None:
            yield found
        elif code > 0:
            raise UserError(said.removeprefix("error: ") or f"planning ended with code {code}")
