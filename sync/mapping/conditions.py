"""Which scenes are for Plex at all, by the user's conditions. Pure."""

from dataclasses import replace

from sync.model import Scene
from sync.settings import Settings
from sync.text.patterns import names_match, path_matches, split_names, split_paths


def why_left_out(scene: Scene, settings: Settings) -> str:
    """Tell which condition a scene does not meet, for a log line; empty where it meets them all."""
    if settings.only_organized and not scene.organized:
        return "it is not organized (only_organized)"
    if settings.only_stash_id and not scene.has_stash_id:
        return "it has no StashID (only_stash_id)"
    if settings.only_with_url and not scene.has_url:
        return "it has no URL (only_with_url)"
    only, skipped = split_names(settings.only_tags), split_names(settings.skip_tags)
    if only and not any(names_match(tag, only) for tag in scene.tags):
        return "it has none of the tags of only_tags"
    for tag in scene.tags:
        if names_match(tag, skipped):
            return f'it has the tag "{tag}" (skip_tags)'
    if scene.files and not within_paths(scene, settings).files:
        return "its files are left out by only_paths or skip_paths"
    return ""


def within_paths(scene: Scene, settings: Settings) -> Scene:
    """Give the scene with those of its files alone that only_paths and skip_paths let through."""
    only, skipped = split_paths(settings.only_paths), split_paths(settings.skip_paths)
    if not only and not skipped:
        return scene
    kept = [file for file in scene.files if not only or path_matches(file.path, only)]
    return replace(scene, files=tuple(file for file in kept if not path_matches(file.path, skipped)))
