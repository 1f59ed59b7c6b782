"""The operation `libraries`: whether Plex answers, as what, whether the token may write, and which libraries it has."""

import time
from typing import Any

from sync import log
from sync.errors import PlexSyncError
from sync.pages.background import Work
from sync.pages.table import Answer
from sync.plex.client import PlexClient, open_plex
from sync.plex.sections import Section, choose_sections, read_page, read_sections
from sync.settings import Settings, read_each
from sync.setup.check import is_owner
from sync.stash import panel as stored


def read_stored(work: Work) -> Settings:
    """Return the stored settings, without those that are not accepted. Raises PlexSyncError where Plex's are wrong."""
    panel = stored.read(work.connection)
    log.keep_secret(panel.get("plex_token"))
    settings, wrong = read_each(panel)
    for name in ("plex_url", "plex_token"):
        if name in wrong:
            raise PlexSyncError(wrong[name])
    return settings


def libraries(work: Work) -> Answer:
    """Return the `server`, its `libraries` with the number of items, and what `plex_library` names in vain (`error`).

    Raises PlexSyncError where Plex does not answer, or refuses the token.
    """
    settings = read_stored(work)
    began = time.perf_counter()
    client = open_plex(settings, work.data)
    try:
        milliseconds = round((time.perf_counter() - began) * 1000)
        sections = read_sections(client)
        chosen, trouble = [], ""
        try:
            chosen = choose_sections(sections, settings.library_names, settings.plex_library)
        except PlexSyncError as error:
            trouble = str(error)
        server: Answer = {
            "name": client.name,
            "version": client.version,
            "system": client.platform,
            "machine": client.machine,
            "address": client.address,
            "milliseconds": milliseconds,
            "may_write": is_owner(client),
        }
        work.tell(server=server)
        told = [_told(client, section, is_chosen=section in chosen) for section in sections]
        return {"server": server, "libraries": told, "trouble": log.redact(trouble)}
    finally:
        client.close()


def _told(client: PlexClient, section: Section, *, is_chosen: bool) -> dict[str, Any]:
    told = {"id": section.id, "name": section.title, "type": section.type, "chosen": is_chosen, "items": None}
    if section.type == "movie":
        told["items"], _ = read_page(client, section, 0, 0)
    return told
