"""Plex's libraries: which of them are synced, and their items a page at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from sync.model import MediaFile
from sync.plex.client import PlexClient
from sync.plex.exceptions import PlexItemGone, PlexPermanentError, PlexSetupError, PlexTemporaryError
from sync.plex.items import files_in, whole_number
from sync.text.clean import name_key
from sync.text.patterns import quoted

Listed = tuple[int, tuple[MediaFile, ...]]  # the ratingKey of an item and its files
_UNUSED = (
    ("excludeElements", "Genre,Role,Director,Writer,Country,Collection,Image,UltraBlurColors"),
    ("excludeFields", "summary,tagline"),
)
"""What rows of a listing need not hold. Wishes: a server may ignore them."""


@dataclass(frozen=True, slots=True)
class Section:
    """A library of Plex."""

    id: int
    title: str
    type: str
    uuid: str = ""
    locations: tuple[str, ...] = ()  # its folders, as the server writes them


def read_sections(client: PlexClient) -> list[Section]:
    """Return all libraries of the server. Raises the errors of `plex/exceptions.py`."""
    try:
        root = client.get("/library/sections")
    except PlexItemGone:
        raise PlexSetupError(
            f"plex_url {client.address} answers, but has no libraries; accepted: a Plex Media Server's own address"
        ) from None
    return [
        Section(
            int(d.get("key", "")),
            d.get("title", ""),
            d.get("type", ""),
            d.get("uuid", ""),
            tuple(path for location in d.iterfind("Location") if (path := location.get("path"))),
        )
        for d in root.iter("Directory")
        if d.get("key", "").isdigit()
    ]


def choose_sections(sections: Sequence[Section], names: Sequence[str], setting: str) -> list[Section]:
    """Return the libraries that `plex_library` names; every movie library where it names none.

    A movie library is films or "Other Videos". Raises PlexSetupError for a name that is not there or
    is of another type.
    """
    movies = [section for section in sections if section.type == "movie"]
    offered = ", ".join(quoted(section.title) for section in movies) or "no movie library"
    if not names:
        if not movies:
            raise PlexSetupError(
                "plex_library is empty and Plex has no movie library (films or Other Videos); make one in Plex"
            )
        return movies
    if whole := _named(movies, setting):  # a library's own name may have a comma in it
        return whole
    chosen: list[Section] = []
    for name in names:
        fitting = _named(movies, name)
        if not fitting:
            named = _named(sections, name)
            why = f'is a library of type "{named[0].type}"' if named else "was not found in Plex"
            raise PlexSetupError(f"plex_library {quoted(name)} {why}; accepted: {offered}")
        chosen += [section for section in fitting if section not in chosen]
    return chosen


def _named(sections: Sequence[Section], name: str) -> list[Section]:
    """Return the libraries of this very name, or else of one that is spelt like it: case, blanks around, accents."""
    exact = [section for section in sections if section.title == name]
    return exact or [section for section in sections if name_key(section.title.strip()) == name_key(name.strip())]


def listing(
    client: PlexClient, section: Section, start: int, size: int, sort: str = "", wanted: Sequence[tuple[str, str]] = ()
) -> Element:
    """Return a page of a library's listing as Plex answers it.

    `wanted`: filters, as Plex's query has them. Raises the errors of `plex/exceptions.py`: PlexPermanentError where
    Plex does not know one of them.
    """
    paging = {"X-Plex-Container-Start": str(start), "X-Plex-Container-Size": str(size)}
    try:
        return client.get(
            f"/library/sections/{section.id}/all",
            # By the query and by headers: Plex takes either, and what stands before it may drop one.
            [("type", "1"), *([("sort", sort)] if sort else []), *wanted, *_UNUSED, *paging.items()],
            headers=paging,
        )
    except PlexItemGone:
        raise PlexTemporaryError(f'Plex library "{section.title}" is gone while it is listed') from None


def pages(ask: Callable[[int], Element], size: int) -> Iterator[Element]:
    """Yield answers of up to `size` rows, up to the last; `ask` asks for the one that begins at a row."""
    start, first = 0, None
    total: int | None = None
    while True:
        root = ask(start)
        earlier, total = total, whole_number(root, "totalSize")
        if start and earlier is not None and total is not None and total < earlier:
            # What was removed meanwhile moves every page after it: begin this one as much earlier.
            start, first = max(0, start - (earlier - total)), None
            continue
        if not len(root) or root[0].attrib == first:  # of a server that knows no pages it is the same again
            return
        first = first or root[0].attrib
        yield root
        start += len(root)
        if len(root) < size if total is None else start >= total:
            return


def read_pages(client: PlexClient, section: Section, size: int, sort: str) -> Iterator[list[Listed]]:
    """Yield the items of a library, page by page. Raises the errors of `plex/exceptions.py`."""
    for root in pages(lambda start: _whole_listing(client, section, start, size, sort), size):
        yield _listed_in(root)


def read_page(
    client: PlexClient, section: Section, start: int, size: int, wanted: Sequence[tuple[str, str]] = ()
) -> tuple[int | None, list[Listed]]:
    """Return how many items a library has (None: Plex did not say) and those of one page.

    `wanted`: filters, as Plex's query has them. Raises the errors of `plex/exceptions.py`.
    """
    root = _whole_listing(client, section, start, size, "", wanted)
    return whole_number(root, "totalSize"), _listed_in(root)


def _whole_listing(
    client: PlexClient, section: Section, start: int, size: int, sort: str, wanted: Sequence[tuple[str, str]] = ()
) -> Element:
    try:
        return listing(client, section, start, size, sort, wanted)
    except PlexPermanentError as error:
        raise PlexSetupError(f'Plex library "{section.title}" cannot be listed: {error}') from error


def _listed_in(root: Element) -> list[Listed]:
    return [(key, files_in(element)) for element in root if (key := whole_number(element, "ratingKey")) is not None]
