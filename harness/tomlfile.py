"""Reads a TOML file into a pydantic model and tells every mistake in it at once.

Used for scenario and target files. A mistake names the file, the line where it can be found, the key, the value and
what to do about it, and nothing is started: the command line turns `BadFile` into exit code 2.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

Key = tuple[str | int, ...]
Parsed = TypeVar("Parsed", bound=BaseModel)


class Strict(BaseModel):
    """Base of everything read from a file: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing wrong in a file. `line` is null where the key isn't there to be pointed at.

    `by_option` says that the value is none of the file's: an option of the command line was laid over it.
    """

    key: str
    problem: str
    line: int | None = None
    by_option: bool = False
    value: str | None = None
    remedy: str = ""

    def __str__(self) -> str:
        where = "on the command line, " if self.by_option else f"line {self.line}, " if self.line else ""
        shown = f" = {self.value}" if self.value is not None else ""
        return f"{where}{self.key}{shown}: {self.problem}" + (f" ({self.remedy})" if self.remedy else "")


class BadFile(Exception):
    """A file that can't be used, with every mistake in it."""

    def __init__(self, path: Path | str, mistakes: Sequence[Mistake]) -> None:
        self.path = path
        self.mistakes = list(mistakes)
        # What it is made of, not its text, so that it comes back whole from a process that raised it.
        super().__init__(path, self.mistakes)

    def __str__(self) -> str:
        plural = "mistake" if len(self.mistakes) == 1 else "mistakes"
        lines = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        return f"{self.path}: {len(self.mistakes)} {plural}\n{lines}"


def read_tables(path: Path) -> dict[str, Any]:
    """The file as plain tables. Raises `BadFile` if it is missing, unreadable or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadFile(path, [Mistake(key="file", problem="does not exist", remedy="check the path")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(path, [Mistake(key="file", problem=f"can't be read: {error}")]) from None
    except tomllib.TOMLDecodeError as error:
        raise BadFile(path, [Mistake(key="file", problem=f"is no TOML: {error}", remedy="mend the syntax")]) from None


def parse(model: type[Parsed], tables: Mapping[str, Any], path: Path) -> Parsed:
    """Validate `tables`; raises `BadFile` with all mistakes, each with its line in `path` where it has one."""
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        raise BadFile(path, [_mistake(item, model, text) for item in error.errors()]) from None


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, table by table; lists and values are replaced whole."""
    out = dict(base)
    for key, value in over.items():
        below = out.get(key)
        out[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return out


def with_origin(mistakes: Iterable[Mistake], overrides: Mapping[str, Any]) -> list[Mistake]:
    """The mistakes, those in a value of `overrides` told as such and not by the line that it replaces."""
    laid_over = list(_paths(overrides))

    def by_option(mistake: Mistake) -> bool:
        return any(mistake.key == path or mistake.key.startswith((f"{path}.", f"{path}[")) for path in laid_over)

    return [replace(mistake, line=None, by_option=True) if by_option(mistake) else mistake for mistake in mistakes]


def _paths(tables: Mapping[str, Any], above: Key = ()) -> Iterator[str]:
    """The keys of all values, dotted."""
    for name, value in tables.items():
        if isinstance(value, Mapping):
            yield from _paths(value, (*above, name))
        else:
            yield dotted((*above, name))


def _mistake(item: Mapping[str, Any], model: type[BaseModel], text: str) -> Mistake:
    key: Key = item["loc"]
    kind = item["type"]
    line = line_of(key, text)
    if kind == "missing":
        return Mistake(key=dotted(key), problem="is missing", line=line, remedy="add it")
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(key[-1]), _fields_at(model, key[:-1]), n=1)
        remedy = f"did you mean '{near[0]}'?" if near else "remove it"
        return Mistake(
            key=dotted(key), problem="is not a known key", line=line, value=_shown(item["input"]), remedy=remedy
        )
    problem, _, remedy = str(item["msg"]).removeprefix("Value error, ").partition("; ")
    if isinstance(item["input"], Mapping):
        return Mistake(key=dotted(key) or "file", problem=problem, line=line, remedy=remedy)
    return Mistake(key=dotted(key), problem=problem, line=line, value=_shown(item["input"]), remedy=remedy)


def dotted(key: Key) -> str:
    """`("faults", 0, "for_s")` as people write it: `faults[0].for_s`."""
    shown = ""
    for part in key:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else part
    return shown


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _fields_at(model: type[BaseModel], key: Key) -> Iterable[str]:
    """The names that are allowed in the table at `key`, as far as they can be followed."""
    here: type[BaseModel] | None = model
    for part in key:
        if isinstance(part, int) or here is None:
            continue
        field = here.model_fields.get(part)
        here = _model_in(field.annotation) if field else None
    return here.model_fields if here else ()


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if found := _model_in(inner):
            return found
    return None


def line_of(key: Key, text: str) -> int | None:
    """The 1-based line that sets `key`, else that of the nearest table around it, else null.

    Follows table headers and plain `name =` lines, which is how scenario and target files are written; it only points
    a reader at a place, nothing rests on it.
    """
    for length in range(len(key), 0, -1):
        if found := _line_of_exactly(key[:length], text):
            return found
    return None


def _line_of_exactly(key: Key, text: str) -> int | None:
    wanted = [part for part in key if isinstance(part, str)]
    index = next((part for part in key if isinstance(part, int)), None)
    table: list[str] = []
    seen: dict[str, int] = {}
    in_item = True
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([\w.\-\"]+)\s*\]\]?", line):
            table = header[2].replace('"', "").split(".")
            if header[1] == "[[":
                seen[header[2]] = seen.get(header[2], -1) + 1
            in_item = index is None or seen.get(table[0], seen.get(header[2], index)) == index
            if table == wanted and in_item:
                return number
            continue
        pair = re.match(r"\s*([\w.\-\"]+)\s*=", line)
        if pair and in_item and [*table, *pair[1].replace('"', "").split(".")] == wanted:
            return number
    return None
