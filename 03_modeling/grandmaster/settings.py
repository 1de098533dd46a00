"""Settings as text: what can be written on the command line and in JSON, checked by the types of `config`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from grandmaster.config import Config, ExtraImages
from grandmaster.errors import UserError, did_you_mean
from grandmaster.texts import JSON_DAMAGE, is_clean


class FieldInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One settable field, for `--help` and for checking that every field is documented."""

    path: str
    type_text: str
    range_text: str
    default: Any
    help: str


def _unwrap(hint: Any) -> tuple[Any, list[Meta]]:
    """The bare type behind nested `Annotated` and `| None`, and all its constraints."""
    metas: list[Meta] = []
    while True:
        if get_origin(hint) is Annotated:
            hint, *extra = get_args(hint)
            metas += [meta for meta in extra if isinstance(meta, Meta)]
        elif type(None) in get_args(hint):
            hint = next(part for part in get_args(hint) if part is not type(None))
        else:
            return hint, metas


def _type_text(hint: Any) -> str:
    """How a value of this type is written on the command line."""
    hint, _ = _unwrap(hint)
    if get_origin(hint) is Literal:
        return "|".join(str(value) for value in get_args(hint))
    if get_origin(hint) is tuple and get_args(hint)[0] is ExtraImages:
        return "JSON list"
    if get_origin(hint) is tuple:
        return "name,name,..."
    return {int: "int", float: "float", bool: "true|false", str: "text"}.get(hint, str(hint))


def fields() -> Iterator[FieldInfo]:
    """Every settable field, section by section, in the order of this file."""
    for section in msgspec.structs.fields(Config):
        section_type = type(section.default)
        hints = get_type_hints(section_type, include_extras=True)
        for field in msgspec.structs.fields(section_type):
            hint, metas = _unwrap(hints[field.name])
            bounds = []
            for meta in metas:
                bounds += [f">= {meta.ge}"] if meta.ge is not None else []
                bounds += [f"> {meta.gt}"] if meta.gt is not None else []
                bounds += [f"<= {meta.le}"] if meta.le is not None else []
                bounds += [f"< {meta.lt}"] if meta.lt is not None else []
            yield FieldInfo(
                path=f"{section.name}.{field.name}",
                type_text=_type_text(hint),
                range_text=" and ".join(bounds),
                default=field.default,
                help=next((meta.description for meta in metas if meta.description), ""),
            )


def convert(raw: dict[str, Any], *, where: str) -> Config:
    """Check and build a Config from nested plain values (from JSON).

    Raises:
        UserError: an unknown key, a wrong type or a value out of range; names the field.
    """
    try:
        return msgspec.convert(raw, Config, strict=True)
    except msgspec.ValidationError as error:
        raise UserError(f"bad setting: {error}", where=where) from error


def with_settings(config: Config, assignments: Iterable[str], *, where: str = "--set") -> Config:
    """A new Config with `section.field=value` texts applied; "none" leaves a field open.

    Raises:
        UserError: not of that form, an unknown field, or a value of the wrong type or out of range.
    """
    known = {info.path: info for info in fields()}
    raw = msgspec.to_builtins(config)
    for text in assignments:
        if not is_clean(text):
            raise UserError(f"{text!r} is no readable text", where=where, fix="Write it as UTF-8.")
        path, sign, value = text.partition("=")
        path = path.strip()
        if not sign:
            raise UserError(
                f"{text!r} is not section.field=value", where=where, fix="Example: training.epochs=10"
            )
        if path not in known:
            raise UserError(f"unknown field {path!r}", where=where, fix=did_you_mean(path, known))
        section, name = path.split(".")
        raw[section][name] = _from_text(value.strip(), known[path], where)
    return convert(raw, where=where)


def _from_text(value: str, info: FieldInfo, where: str) -> Any:
    """One value from the command line, checked against its own field so that the error names it."""
    section_name, name = info.path.split(".")
    section_type = type(getattr(Config(), section_name))
    hint = get_type_hints(section_type, include_extras=True)[name]
    if value.lower() in ("none", "auto") and info.default is None:
        return None
    given: Any = value
    if info.type_text == "name,name,...":
        given = tuple(part.strip() for part in value.split(",") if part.strip())
    elif info.type_text == "JSON list":
        try:
            given = msgspec.json.decode(value)
        except JSON_DAMAGE as error:
            raise UserError(f"{info.path} is no JSON: {error}", where=where, fix=f"{info.help}.") from None
    elif info.type_text == "true|false":
        given = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
            value.lower(), value
        )
    elif info.type_text.replace("|", "").isdigit() and re.fullmatch("[0-9]{1,9}", value):
        given = int(value)
    try:
        return msgspec.to_builtins(msgspec.convert(given, hint, strict=False))
    except msgspec.ValidationError:
        allowed = f"{info.type_text} {info.range_text}".strip()
        raise UserError(
            f"{info.path}={value} is not allowed", where=where, fix=f"Allowed: {allowed} ({info.help})."
        ) from None
