"""What was watched and rated in Plex: its history of plays, and what listings tell. Raises `plex/exceptions.py`."""

import contextlib
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from sync.back.decide import Play
from sync.model import PlexItem
from sync.plex.client import PlexClient
from sync.plex.exceptions import PlexItemGone, PlexPermanentError
from sync.plex.items import item_of, whole_number
from sync.plex.sections import Section, listing, pages

OWNER = 1  # Plex's number for the account of the server's owner, whose token PlexSync has
PAGE = 1_000  # entries or rows in one answer; Plex is to refuse more in future
_IDENTIFIER = "com.plexapp.plugins.library"


def read_plays(client: PlexClient, section: Section, account: int, since: float) -> list[Play]:
    """Return what an account has played in a library since a moment (seconds since the epoch), oldest first.

    Entries of an item that is gone from Plex are left out: they name none.
    """
    asked = [
        ("sort", "viewedAt:asc"),
        ("accountID", str(account)),
        ("librarySectionID", str(section.id)),
        ("viewedAt>", str(int(since))),  # `viewedAt>=...`
    ]

    def page(start: int) -> Element:
        paging = {"X-Plex-Container-Start": str(start), "X-Plex-Container-Size": str(PAGE)}
        with _or_refused("tell its history of plays"):
            return client.get("/status/sessions/history/all", [*asked, *paging.items()], headers=paging)

    entries = (_play(element, account, since) for root in pages(page, PAGE) for element in root)
    found = {play.id: play for play in entries if play}
    return sorted(found.values(), key=lambda play: play.at)


def _play(element: Element, account: int, since: float) -> Play | None:
    """Give an entry that is of this account and time: filters are looked at, not believed."""
    key, at = whole_number(element, "ratingKey"), whole_number(element, "viewedAt")
    if not key or at is None or at < since or whole_number(element, "accountID") not in (None, account):
        return None
    return Play(element.get("historyKey", "").rpartition("/")[2] or f"{account}/{key}/{at}", key, at)


def watched_since(
    client: PlexClient, section: Section, field: str, since: float, *, filtered: bool = True
) -> list[PlexItem]:
    """Return the items of a library whose `lastViewedAt` or `lastRatedAt` (`field`) is later than a moment.

    As the listing tells of them, for the token's owner. A server that does not know the filter is asked without it.
    """
    sort, later = (f"{field}:desc", [(f"{field}>>", str(int(since)))]) if filtered else ("", [])
    found = []
    try:
        for root in pages(lambda start: listing(client, section, start, PAGE, sort, later), PAGE):
            for element in root:
                at = whole_number(element, field)
                if at is not None and at > since and whole_number(element, "ratingKey"):
                    found.append(item_of(element))
    except PlexPermanentError:
        if not filtered:
            raise
        return watched_since(client, section, field, since, filtered=False)
    return found


def accounts(client: PlexClient) -> dict[int, str]:
    """Return the server's users: their numbers, and their names."""
    with _or_refused("tell who its users are"):
        root = client.get("/accounts")
    rows = ((whole_number(element, "id"), element.get("name", "")) for element in root)
    return {number: name for number, name in rows if number and name}


def send_resume(client: PlexClient, rating_key: int, at: float) -> None:
    """Tell Plex where the token's owner has stopped watching an item, in seconds above 0.

    As python-plexapi sends it (`updateProgress`), by GET; a time of 0 does not work there.
    """
    place = (("key", str(rating_key)), ("identifier", _IDENTIFIER))
    with client.pacer.edit(), _or_refused("take a resume point"):
        client.send("get", "/:/progress", (*place, ("time", str(round(at * 1000))), ("state", "stopped")))


@contextlib.contextmanager
def _or_refused(what: str) -> Iterator[None]:
    """Take a 404 for a Plex that cannot do this at all."""
    try:
        yield
    except PlexItemGone:
        raise PlexPermanentError(f"Plex does not {what} (status 404)", status=404) from None
