"""The operations about the connection to Plex: `libraries`, `paths`, and the task "Check setup" (`check`, `report`)."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import closing

from sync import log
from sync.ending import Ending
from sync.errors import PlexSyncError, SetupError
from sync.mapping.conditions import why_left_out, within_paths
from sync.pages.background import Work
from sync.pages.operations import Answer
from sync.pages.settings_view import as_text
from sync.plex.client import PlexClient, open_plex
from sync.plex.file_index import LibraryIndex
from sync.plex.sections import choose_sections, read_page, read_sections
from sync.settings import Settings, read_each
from sync.setup.check import PRIVATE, SAMPLED, check_setup, is_owner, listen
from sync.setup.report import gather
from sync.setup.sample import compare
from sync.stash.client import StashClient
from sync.state.state import State
from sync.text.typed import parse_path_map

Servers = tuple[Settings, StashClient, PlexClient]
"""Both servers, as the stored settings have them; what is not accepted of these has its default."""


@contextlib.contextmanager
def servers(work: Work) -> Iterator[Servers]:
    """Open both servers. Raises PlexSyncError where Plex's address or token is wrong, or Plex does not answer."""
    with closing(StashClient(work.connection)) as stash:
        panel = stash.plugin_settings()
        log.keep_secret(panel.get("plex_token"))
        settings, wrong = read_each(panel)
        for name in ("plex_url", "plex_token"):
            if name in wrong:
                raise SetupError(wrong[name])
        with closing(open_plex(settings, work.data)) as plex:
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
            known: Answer = {"id": one.id, "name": one.title, "type": one.type, "chosen": one in chosen}
            told.append(known | {"items": read_page(client, one, 0, 0)[0] if one.type == "movie" else None})
        return {"server": server, "libraries": told, "trouble": log.redact(trouble)}


def paths(work: Work) -> Answer:
    """Return how many scenes of a sample Plex finds by their path, under the stored `path_map` or args'.

    `outcomes` of the sample by name, what to do (`advice`), and the `proposal`. Raises PlexSyncError.
    """
    with servers(work) as (settings, stash, client), closing(State(PRIVATE)) as state:
        tried = work.args.get("path_map")
        if tried is not None:
            read, wrong = read_each({"path_map": as_text("path_map", tried)})
            if "path_map" in wrong:
                raise SetupError(wrong["path_map"])
            settings = settings.model_copy(update={"path_map": read.path_map})
        sections = choose_sections(read_sections(client), settings.library_names, settings.plex_library)
        indexes = [LibraryIndex(client, state, section) for section in sections]
        for number, index in enumerate(indexes):
            index.look_for_new()
            work.progress((number + 1) / (len(sections) + 1))
        scenes = [within_paths(scene, settings) for scene in stash.sample(SAMPLED) if not why_left_out(scene, settings)]
        sample, better, path_map = compare(client, stash, state, indexes, scenes, settings)
        advice = sample.advice(skip_not_found=settings.skip_not_found)
        pairs = [list(pair) for pair in parse_path_map(path_map)]
        return {
            "sampled": len(scenes),
            "outcomes": sample.counts(),
            "advice": [log.redact(text) for text in advice],
            "proposal": {"pairs": pairs, "outcomes": better.counts()} if path_map else None,
        }


def check(work: Work) -> Answer:
    """Return the `lines` of the check as said, each with its level; what is `to_fix`; whether it `is_good`."""
    lines: list[dict[str, str]] = []

    def say(level: str, text: str) -> None:
        lines.append({"level": level, "text": text})
        work.tell(lines=lines)

    listen(say, work.progress)
    said = check_setup(work.connection, work.data)
    is_good = said.ending is Ending.WELL
    return {"lines": lines, "said": str(said), "to_fix": said.facts.get("to_fix", []), "is_good": is_good}


def report(work: Work) -> Answer:
    """Return the `text` of a report that can be shown in public; see `sync.setup.report`."""
    return {"text": "\n".join(gather(work.connection, work.data, work.progress).facts["report"])}
