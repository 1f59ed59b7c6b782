"""Scenes of Stash's: which of their fields are asked for, and how they become plain values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sync.mapping.performer_pictures import local_path
from sync.model import MediaFile, Performer, Scene


def scene_fragment(*, performer_tags: bool, plays: bool) -> str:
    """Return the fragment `S` with the fields that `read_scene` reads.

    Stash looks the tags of performers up one performer at a time: they are asked for where the settings need them.
    """
    tags = "tags { id name }" if performer_tags else ""
    watched = "resume_time play_history" if plays else ""
    return (
        "fragment S on Scene { id title details date code director rating100 organized updated_at urls "
        "stash_ids { stash_id } paths { screenshot } studio { id name parent_studio { id name } } "
        "groups { group { id name } } tags { id name } files { path size } "
        f"performers {{ id name disambiguation gender birthdate country alias_list image_path {tags} }} {watched} }}"
    )


def read_scene(value: Mapping[str, Any]) -> Scene:
    """Return a scene from Stash's GraphQL object."""
    studio = value.get("studio") or {}
    return Scene(
        id=int(value["id"]),
        title=value.get("title") or "",
        details=value.get("details") or "",
        date=value.get("date") or "",
        studio=studio.get("name") or "",
        parent_studio=(studio.get("parent_studio") or {}).get("name") or "",
        performers=tuple(_performer(performer) for performer in objects(value.get("performers"))),
        tags=_names(value.get("tags")),
        groups=_names([entry.get("group") for entry in objects(value.get("groups"))]),
        code=value.get("code") or "",
        director=value.get("director") or "",
        rating=rating if isinstance(rating := value.get("rating100"), int) else None,
        organized=bool(value.get("organized")),
        has_stash_id=any(entry.get("stash_id") for entry in objects(value.get("stash_ids"))),
        has_url=any(value.get("urls") or ()),
        cover=local_path((value.get("paths") or {}).get("screenshot") or ""),
        files=tuple(file for _, file in files_of(value)),
        refs=_refs(value),
        updated_at=seconds(value.get("updated_at")),
        plays=tuple(int(at) for text in value.get("play_history") or () if (at := seconds(text)) is not None),
        resume=float(value.get("resume_time") or 0.0),
    )


def _refs(value: Mapping[str, Any]) -> str:
    studio = value.get("studio") or {}
    performers = objects(value.get("performers"))
    named = [("studio", studio), ("studio", studio.get("parent_studio") or {})]
    named += [("performer", performer) for performer in performers]
    named += [("tag", tag) for tag in objects(value.get("tags"))]
    named += [("tag", tag) for performer in performers for tag in objects(performer.get("tags"))]
    named += [("group", entry.get("group") or {}) for entry in objects(value.get("groups"))]
    refs = dict.fromkeys(f"{kind} {one['id']}" for kind, one in named if one.get("id"))
    return f",{','.join(refs)}," if refs else ""


def seconds(value: object) -> float | None:
    """Return a time of Stash's in seconds since the epoch; None where it is none."""
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _performer(value: Mapping[str, Any]) -> Performer:
    picture = value.get("image_path") or ""
    return Performer(
        name=value.get("name") or "",
        disambiguation=value.get("disambiguation") or "",
        gender=value.get("gender") or "",
        birthdate=value.get("birthdate") or "",
        country=value.get("country") or "",
        aliases=tuple(alias for alias in value.get("alias_list") or () if isinstance(alias, str)),
        tags=_names(value.get("tags")),
        # Stash draws a figure for a performer without a picture.
        picture="" if "default=true" in picture else picture,
    )


def _names(values: object) -> tuple[str, ...]:
    return tuple(value.get("name") or "" for value in objects(values))


def files_of(scene: Mapping[str, Any]) -> list[tuple[int, MediaFile]]:
    """Return the files of a scene, each with the scene's id."""
    files = (file for file in objects(scene.get("files")) if file.get("path"))
    return [(int(scene["id"]), MediaFile(file["path"], _size(file.get("size")))) for file in files]


def objects(values: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list in an answer."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _size(value: object) -> int | None:
    """Stash's Int64 comes as a number, or as text from older versions."""
    try:
        return int(value) or None  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None
