"""The kinds of settings: what of a value that a person has typed is meant, and whether it is accepted."""

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticUseDefault

from sync.text import template
from sync.text.clean import LONGEST_LINE, clean_line
from sync.text.patterns import are_whole_paths, split_names, unquoted
from sync.text.typed import day_begins, normal_url, parse_path_map

TITLE_PLACES = ("title", "studio", "parent_studio", "date", "year", "performers", "code", "director", "group", "id")
"""What `title_template` may name."""
ROLE_PLACES = ("disambiguation", "gender", "age", "country", "alias")  # what `performer_role` may name

_DECIMAL_COMMA = re.compile(r"\s*\d+,\d{1,2}\s*")
LONGEST_PREFIX = 100  # characters of `collection_prefix`: what stands behind it is to be told apart


def _text(value: object) -> object:
    if value is None:
        raise PydanticUseDefault
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # a content rating of 18
    return value.strip() if isinstance(value, str) else value


def _prefix(value: object) -> object:
    # The blank behind "Stash: " is part of it, and the quotes that show it are not.
    if not isinstance(value, str):
        return _text(value)
    bare = unquoted(value)
    return bare if bare != value.strip() else value.lstrip()


def _unquoted(value: object) -> object:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise PydanticUseDefault
    return value.strip().strip("\"'").strip() if isinstance(value, str) else value


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("no number")
    value = _unquoted(value)
    # "2,5" as many languages write it; "1,000" is what it is to nobody else.
    return value.replace(",", ".") if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value) else value


def _choice(value: object) -> object:
    value = _unquoted(value)
    return value.casefold().replace(" ", "_").replace("-", "_") if isinstance(value, str) else value


def _token(value: str) -> str:
    value = unquoted(value).strip().rpartition("X-Plex-Token=")[2]  # copied with what stands before it in an address
    if any(ord(c) < 33 or ord(c) > 126 for c in value):
        raise ValueError("no token")
    return value


def _title_template(value: str) -> str:
    template.check(value, TITLE_PLACES)
    if value and not template.places(value):
        raise ValueError("every scene would get the same title")
    return value or "{title}"


def _role_template(value: str) -> str:
    template.check(value, ROLE_PLACES)
    return value


def _line(value: str) -> str:
    value = unquoted(value).strip()
    if clean_line(value, LONGEST_LINE) != value:
        raise ValueError("no line that Plex takes as it is")
    return value


def _accepted_by(test: Callable[[str], object]) -> AfterValidator:
    def check(value: str) -> str:
        if value and not test(value):
            raise ValueError("nothing of its kind")
        return value

    return AfterValidator(check)


Text = Annotated[str, BeforeValidator(_text)]
Line = Annotated[Text, AfterValidator(_line)]
Names = Annotated[Text, _accepted_by(split_names)]
Paths = Annotated[Text, _accepted_by(are_whole_paths)]
Switch = Annotated[bool, BeforeValidator(_unquoted)]
Seconds = Annotated[float, BeforeValidator(_number)]
Rate = Annotated[float, BeforeValidator(_number)]
Count = Annotated[int, BeforeValidator(_number)]
Url = Annotated[Text, AfterValidator(lambda url: url and normal_url(url))]
UrlWithPath = Annotated[Text, AfterValidator(lambda url: url and normal_url(url, whole_path=True))]
Token = Annotated[Text, AfterValidator(_token)]
PathMap = Annotated[Text, _accepted_by(parse_path_map)]
Day = Annotated[Text, _accepted_by(lambda day: day_begins(day) is not None)]
TitleTemplate = Annotated[Text, AfterValidator(_title_template)]
RoleTemplate = Annotated[Text, AfterValidator(_role_template)]
Prefix = Annotated[str, BeforeValidator(_prefix), Field(max_length=LONGEST_PREFIX)]
AS_CHOICE = BeforeValidator(_choice)
