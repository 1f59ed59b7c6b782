"""The operation `paths`: how many scenes of a sample Plex finds by their path, and the `path_map` that would find more.

Nothing is stored: args `path_map` (text, or a list of pairs) is tried in place of the stored one.
"""

from contextlib import closing
from typing import Any

from sync import log
from sync.errors import SetupError
from sync.mapping.conditions import why_left_out, within_paths
from sync.pages.background import Work
from sync.pages.connection import Servers, servers
from sync.pages.settings_view import as_text
from sync.pages.table import Answer
from sync.plex.file_index import LibraryIndex
from sync.plex.sections import choose_sections, read_sections
from sync.settings import Settings, read_each
from sync.setup.check import PRIVATE, SAMPLED, Place, compare
from sync.state import State
from sync.text.typed import parse_path_map


def paths(work: Work) -> Answer:
    """Return the `outcomes` of the sample, by name, with what to do (`advice`), and the `proposal`.

    Raises PlexSyncError.
    """
    with servers(work) as opened, closing(State(PRIVATE)) as state:
        settings = _with_map(opened.settings, work.args.get("path_map"))
        return _sampled(work, opened._replace(settings=settings), state)


def _with_map(settings: Settings, path_map: Any) -> Settings:
    if path_map is None:
        return settings
    tried, wrong = read_each({"path_map": as_text("path_map", path_map)})
    if "path_map" in wrong:
        raise SetupError(wrong["path_map"])
    return settings.model_copy(update={"path_map": tried.path_map})


def _sampled(work: Work, opened: Servers, state: State) -> Answer:
    settings, stash, client = opened
    sections = choose_sections(read_sections(client), settings.library_names, settings.plex_library)
    place = Place(client, state, [LibraryIndex(client, state, section) for section in sections])
    for number, index in enumerate(place.indexes):
        index.look_for_new()
        work.progress((number + 1) / (len(sections) + 1))
    scenes = [within_paths(scene, settings) for scene in stash.sample(SAMPLED) if not why_left_out(scene, settings)]
    sample, better, path_map = compare(place, stash, scenes, settings)
    advice = sample.advice(place.folders, skip_not_found=settings.skip_not_found)
    pairs = [list(pair) for pair in parse_path_map(path_map)]
    return {
        "sampled": len(scenes),
        "outcomes": sample.counts(),
        "advice": [log.redact(text) for text in advice],
        "proposal": {"pairs": pairs, "outcomes": better.counts()} if path_map else None,
    }
