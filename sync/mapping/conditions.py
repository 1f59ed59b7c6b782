"""Which scenes are for Plex at all, by the user's conditions. Pure."""

from dataclasses import replace

from sync.model import MediaFile, Scene
from sync.settings import Settings
from sync.text.patterns import names_match, path_matches, split_names, split_paths


def why_left_out(scene: Scene, settings: Settings) -> str:
    """Return the condition that a scene does not meet, for a log line; empty where it meets them all."""
    if settings.only_organized and not scene.organized:
        return "it is not organized (only_organized)"
    if settings.only_stash_id and not scene.has_stash_id:
        return "it has no StashID (only_stash_id)"
    only, skipped = split_names(settings.only_tags), split_names(settings.skip_tags)
    if only and not any(names_match(tag, only) for tag in scene.tags):
        return "it has none of the tags of only_tags"
    for tag in scene.tags:
        if names_match(tag, skipped):
            return f'it has the tag "{tag}" (skip_tags)'
    if scene.files and not _files_within(scene, settings):
        return "its files are left out by only_paths or skip_paths"
    return ""


def within_paths(scene: Scene, settings: Settings) -> Scene:
    """Return the scene with those of its files alone that only_paths and skip_paths let through."""
    if not settings.only_paths and not settings.skip_paths:
        return scene
    return replace(scene, files=_files_within(scene, settings))


def _files_within(scene: Scene, settings: Settings) -> tuple[MediaFile, ...]:
    only, skipped = split_paths(settings.only_paths), split_paths(settings.skip_paths)
    return tuple(
        file
        for file in scene.files
        if (not only or path_matches(file.path, only)) and not path_matches(file.path, skipped)
    )
