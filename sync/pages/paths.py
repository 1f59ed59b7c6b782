"""The operation `paths`: how many scenes of a sample Plex finds by their path, under the stored `path_map` or args'."""

from contextlib import closing

from sync import log
from sync.errors import SetupError
from sync.mapping.conditions import why_left_out, within_paths
from sync.pages.background import Work
from sync.pages.connection import servers
from sync.pages.settings_view import as_text
from sync.pages.table import Answer
from sync.plex.file_index import LibraryIndex
from sync.plex.sections import choose_sections, read_sections
from sync.settings import read_each
from sync.setup.check import PRIVATE, SAMPLED, Place
from sync.state.state import State
from sync.text.typed import parse_path_map


def paths(work: Work) -> Answer:
    """Return `outcomes` of the sample by name, what to do (`advice`), and the `proposal`. Raises PlexSyncError."""
    with servers(work) as (settings, stash, client), closing(State(PRIVATE)) as state:
        tried = work.args.get("path_map")
        if tried is not None:
            read, wrong = read_each({"path_map": as_text("path_map", tried)})
            if "path_map" in wrong:
                raise SetupError(wrong["path_map"])
            settings = settings.model_copy(update={"path_map": read.path_map})
        sections = choose_sections(read_sections(client), settings.library_names, settings.plex_library)
        place = Place(client, stash, state, [LibraryIndex(client, state, section) for section in sections])
        for number, index in enumerate(place.indexes):
            index.look_for_new()
            work.progress((number + 1) / (len(sections) + 1))
        scenes = [within_paths(scene, settings) for scene in stash.sample(SAMPLED) if not why_left_out(scene, settings)]
        sample, better, path_map = place.compare(scenes, settings)
        advice = sample.advice(place.folders, skip_not_found=settings.skip_not_found)
        pairs = [list(pair) for pair in parse_path_map(path_map)]
        return {
            "sampled": len(scenes),
            "outcomes": sample.counts(),
            "advice": [log.redact(text) for text in advice],
            "proposal": {"pairs": pairs, "outcomes": better.counts()} if path_map else None,
        }
