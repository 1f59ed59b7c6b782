"""The operation `libraries`: whether Plex answers, as what, whether the token may write, and which libraries it has."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from sync import log
from sync.errors import PlexSyncError, SetupError
from sync.pages.background import Work
from sync.pages.table import Answer
from sync.plex.client import PlexClient, open_plex
from sync.plex.sections import choose_sections, read_page, read_sections
from sync.settings import Settings, read_each
from sync.setup.check import is_owner
from sync.stash.client import StashClient

Servers = tuple[Settings, StashClient, PlexClient]
"""Both servers, as the stored settings have them; what is not accepted of these has its default."""


@contextlib.contextmanager
def servers(work: Work) -> Iterator[Servers]:
    """Open both servers. Raises PlexSyncError where Plex's address or token is wrong, or Plex does not answer."""
    with contextlib.closing(StashClient(work.connection)) as stash:
        panel = stash.plugin_settings()
        log.keep_secret(panel.get("plex_token"))
        settings, wrong = read_each(panel)
        for name in ("plex_url", "plex_token"):
            if name in wrong:
                raise SetupError(wrong[name])
        with contextlib.closing(open_plex(settings, work.data)) as plex:
            yield settings, stash, plex


def libraries(work: Work) -> Answer:
    """Return the `server`, its `libraries`, and what `plex_library` names in vain (`trouble`). Raises PlexSyncError."""
    with servers(work) as (settings, _, client):
        began = time.perf_counter()
        sections = read_sections(client)
        milliseconds = round((time.perf_counter() - began) * 1000)
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
        told = []
        for one in sections:
            known: dict[str, Any] = {"id": one.id, "name": one.title, "type": one.type, "chosen": one in chosen}
            told.append(known | {"items": read_page(client, one, 0, 0)[0] if one.type == "movie" else None})
        return {"server": server, "libraries": told, "trouble": log.redact(trouble)}
