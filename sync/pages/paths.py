"""The operation `paths`: how many scenes of a sample Plex finds by their path, and the `path_map` that would find more.

Nothing is stored: args `path_map` (text, or a list of pairs) is tried in place of the stored one.
"""

from contextlib import closing
from dataclasses import replace
from typing import Any

from sync import log
from sync.errors import SetupError
from sync.mapping.conditions import why_left_out, within_paths
from sync.pages.background import Work
from sync.pages.connection import read_stored
from sync.pages.settings_view import as_text
from sync.pages.table import Answer
from sync.plex.client import PlexClient, open_plex
from sync.plex.file_index import LibraryIndex
from sync.plex.matcher import Rules
from sync.plex.sections import choose_sections, read_sections
from sync.settings import Settings, read_each
from sync.setup.check import PRIVATE, SAMPLED, Place
from sync.setup.path_map import propose
from sync.setup.sample import Sample, sightings_of
from sync.stash.client import StashClient
from sync.state import State


def paths(work: Work) -> Answer:
    """Return the `outcomes` of the sample, by name, with some scenes of each; what to do (`advice`); the `proposal`.

    Raises PlexSyncError.
    """
    settings = _with_map(read_stored(work), work.args.get("path_map"))
    stash = StashClient(work.connection)
    client: PlexClient | None = None
    try:
        stash.plugin_settings()
        client = open_plex(settings, work.data)
        with closing(State(PRIVATE)) as state:
            return _sampled(work, settings, stash, client, state)
    finally:
        stash.close()
        if client:
            client.close()


def _with_map(settings: Settings, path_map: Any) -> Settings:
    if path_map is None:
        return settings
    text = as_text("path_map", path_map)
    tried, wrong = read_each({"path_map": text})
    if "path_map" in wrong:
        raise SetupError(wrong["path_map"])
    return settings.model_copy(update={"path_map": tried.path_map})


def _sampled(work: Work, settings: Settings, stash: StashClient, client: PlexClient, state: State) -> Answer:
    sections = choose_sections(read_sections(client), settings.library_names, settings.plex_library)
    indexes = [LibraryIndex(client, state, section) for section in sections]
    for number, index in enumerate(indexes):
        index.look_for_new()
        work.progress((number + 1) / (len(indexes) + 1))
    scenes = [within_paths(scene, settings) for scene in stash.sample(SAMPLED) if not why_left_out(scene, settings)]
    rules = Rules(settings.path_pairs, settings.strict_matching, client.folds_case)
    sightings = [sightings_of(scene, indexes, rules) for scene in scenes]
    place = Place(client, state, indexes)
    sample = Sample(scenes, place.find(stash, scenes, rules), sightings, rules)
    folders = [folder for section in sections for folder in section.locations]
    told: Answer = {
        "sampled": len(scenes),
        "outcomes": sample.counts(),
        "examples": {
            name: [{"scene_id": scene.id, "title": scene.name} for scene in sample.of(name)[:3]]
            for name in sample.counts()
        },
        "advice": [log.redact(text) for text in sample.advice(folders, skip_not_found=settings.skip_not_found)],
        "stash_folders": sample.folders(),
        "plex_folders": folders,
        "proposal": None,
    }
    proposal = propose(sightings, rules.pairs, fold=rules.fold)
    if proposal is not None:
        better = replace(rules, pairs=proposal.pairs)
        found = Sample(scenes, place.find(stash, scenes, better), sightings, better)
        pairs = [list(pair) for pair in proposal.pairs]
        told["proposal"] = {"path_map": proposal.path_map, "pairs": pairs, "outcomes": found.counts()}
    return told
