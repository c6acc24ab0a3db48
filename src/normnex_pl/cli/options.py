"""Command lines made of dataclasses: an option for each field, with its default and its documentation.

Fields without a default are positional arguments; a field that is a dataclass itself adds its own fields.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from typing_extensions import override

from normnex_pl.core.errors import UserError

_Options = TypeVar("_Options")
_Value = TypeVar("_Value")

# Fields that take words which are no options of the command itself: all such words, or those that follow
# `--`.
OtherWords = Annotated[tuple[str, ...], "other words"]
WordsAfterDashes = Annotated[tuple[str, ...], "words after --"]


class CommandParser(argparse.ArgumentParser):
    """A parser that raises a UserError for invalid arguments, for the handler of all commands."""

    @override
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}. `{self.prog} --help` lists what is expected.")


@dataclasses.dataclass(frozen=True)
class _Field:
    """A field of the options.

    Attributes:
        name: As in the dataclass.
        kind: Its type, without ``| None``.
        default: Its default; `dataclasses.MISSING` for a positional argument.
        text: What it means.
    """

    name: str
    kind: Any
    default: Any
    text: str


def parse(kind: type[_Options], prog: str, words: Sequence[str]) -> _Options:
    """Parse a command line.

    Args:
        kind: A frozen dataclass; the first paragraph of its docstring describes the command.
        prog: The command, as the user types it.
        words: The arguments that follow it.

    Raises:
        UserError: An argument is unknown, missing or of another type.
    """
    parser = parser_of(kind, prog)
    fields = list(_fields(kind))
    own, after = _split(words)
    own = [_spelling(word, fields) for word in own]
    places: dict[Any, str] = {field.kind: field.name for field in fields if _takes_words(field)}
    if OtherWords in places:
        values, other = parser.parse_known_args(own)
    else:
        values, other = parser.parse_args(own), []
    if after and not places:
        parser.error(f"unrecognized arguments: -- {' '.join(after)}")
    return _built(kind, vars(values) | dict.fromkeys(places.values(), (*other, *after)))


def parser_of(kind: type, prog: str) -> CommandParser:
    """Return the parser of a dataclass; see the module. Its class variable ``notes`` ends the help."""
    documentation = inspect.cleandoc(kind.__doc__ or "")
    description = documentation.partition("\nAttributes:")[0].strip()
    others = [field for field in _fields(kind) if _takes_words(field)]
    notes = [kind.notes] if hasattr(kind, "notes") else []
    parser = CommandParser(
        prog=prog,
        usage=f"{prog} {_usage(kind)}",
        description=description,
        epilog="\n\n".join([*(field.text for field in others), *notes]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for field in _fields(kind):
        if not _takes_words(field):
            _add(parser, field)
    return parser


def _usage(kind: type) -> str:
    """Return a short usage line; the list of options follows it anyway."""
    fields = list(_fields(kind))
    positional = [_metavar(field) for field in fields if field.default is dataclasses.MISSING]
    more = {OtherWords: " [--any.setting=value ...]", WordsAfterDashes: " [-- --any.setting=value ...]"}
    return " ".join([*positional, "[options]"]) + "".join(more.get(field.kind, "") for field in fields)


def _fields(kind: type) -> Iterator[_Field]:
    """Yield all fields; nested dataclasses are replaced by their fields."""
    hints = get_type_hints(kind, include_extras=True)
    texts = _texts(kind)
    for field in dataclasses.fields(kind):
        inner = _without_none(hints[field.name])
        if dataclasses.is_dataclass(inner) and isinstance(inner, type):
            yield from _fields(inner)
        else:
            yield _Field(field.name, inner, field.default, texts[field.name])


def _texts(kind: type) -> dict[str, str]:
    """Return the description of each field in the docstring's section `Attributes`."""
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = [part for part in get_args(hint) if part is not type(None)]
        return inner
    return hint


def _takes_words(field: _Field) -> bool:
    return field.kind in (OtherWords, WordsAfterDashes)


def _add(parser: argparse.ArgumentParser, field: _Field) -> None:
    """Add an argument for a field."""
    text = _help(field).replace("%", "%%")
    if field.default is dataclasses.MISSING and get_origin(field.kind) is tuple:
        parser.add_argument(
            field.name,
            nargs="+",
            type=_several(get_args(field.kind)[0]),
            metavar=_metavar(field),
            help=text,
        )
    elif field.default is dataclasses.MISSING:
        parser.add_argument(field.name, type=field.kind, metavar=field.name.upper(), help=text)
    elif field.kind is bool:
        parser.add_argument(f"--{field.name}", action="store_true", help=text)
    elif get_origin(field.kind) is tuple:
        item = get_args(field.kind)[0]
        shown = f"{{{','.join(get_args(item))}}}" if get_origin(item) is Literal else field.name.upper()
        parser.add_argument(
            f"--{field.name}", nargs="*", type=_several(item), metavar=shown, default=None, help=text
        )
    else:
        choices = get_args(field.kind) if get_origin(field.kind) is Literal else None
        parser.add_argument(
            f"--{field.name}", type=str if choices else field.kind, choices=choices, default=None, help=text
        )


def _metavar(field: _Field) -> str:
    """Return a positional argument as the usage shows it: of several ones, the singular."""
    name = field.name.upper()
    return f"{name.removesuffix('S')} ..." if get_origin(field.kind) is tuple else name


def _help(field: _Field) -> str:
    """Return the help text of a field, with its default unless the text states it."""
    nothing = field.default is dataclasses.MISSING or field.default in (None, False, ())
    if nothing or "default" in field.text:
        return field.text
    several = isinstance(field.default, tuple)
    value = " ".join(map(str, field.default)) if several else field.default
    return (
        f"{field.text} (default: {value:g})"
        if isinstance(value, float)
        else f"{field.text} (default: {value})"
    )


def _several(item: Any) -> Callable[[str], list[Any]]:
    """Return a parser of one or several values, separated by spaces, from a word."""
    choices = get_args(item) if get_origin(item) is Literal else None

    def read(word: str) -> list[Any]:
        parts = [Path(word)] if item is Path else word.split()
        if choices and (unknown := [part for part in parts if part not in choices]):
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(choices)}, found {unknown[0]}")
        return parts if choices else [item(part) for part in parts]

    read.__name__ = getattr(item, "__name__", "value")  # argparse: invalid int value
    return read


def _built(kind: type[_Value], values: Mapping[str, Any]) -> _Value:
    """Return an instance of a dataclass; options that aren't given keep the defaults of its fields."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        inner = _without_none(hints[field.name])
        if dataclasses.is_dataclass(inner) and isinstance(inner, type):
            found[field.name] = _built(inner, values)
        elif (value := values.get(field.name)) is not None:
            several = get_origin(inner) is tuple
            found[field.name] = tuple(one for part in value for one in part) if several else value
    return kind(**found)


def _spelling(word: str, fields: Sequence[_Field]) -> str:
    """Return an option of the command as its field is spelt: dashes stand for underscores."""
    option, equals, value = word.partition("=")
    name = option.removeprefix("--").replace("-", "_")
    return (
        f"--{name}{equals}{value}" if option.startswith("--") and name in {f.name for f in fields} else word
    )


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words up to ``--`` and those that follow it."""
    place = words.index("--") if "--" in words else len(words)
    return list(words[:place]), list(words[place + 1 :])
