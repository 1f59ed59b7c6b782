"""Scene + settings -> what Plex should hold. Pure."""

import datetime
import hashlib
import json

from sync.mapping.performer_pictures import PictureAccess, picture_url
from sync.model import Performer, Role, Scene, Wanted
from sync.settings import Settings
from sync.text import template
from sync.text.clean import LONGEST_LINE, clean_line, clean_name, clean_text, full_date, name_key, unique_names
from sync.text.patterns import names_match, split_names

MAPPING_VERSION = 3
"""Raised whenever the same scene maps to something else than before, so that scenes become due again."""

ORGANIZED = "Organized"
"""The collection of the scenes that are marked as organized."""


def wanted_of(scene: Scene, settings: Settings, pictures: PictureAccess | None = None) -> Wanted:
    """Return what a Plex item of this scene should hold.

    `pictures`: how performers' pictures can be reached from Plex; None: not at all.
    """
    return Wanted(
        title=title_of(scene, settings.title_template) if settings.sync_title else None,
        summary=clean_text(scene.details) if settings.sync_summary else None,
        studio=clean_name(scene.studio) if settings.sync_studio else None,
        date=full_date(scene.date) if settings.sync_date else None,
        content_rating=settings.content_rating or None,
        tagline=_code_in("tagline", scene, settings),
        original_title=_code_in("original_title", scene, settings),
        rating=user_rating(scene.rating) if settings.sync_rating else None,
        actors=actors_of(scene, settings.performer_role, pictures) if settings.sync_performers else None,
        genres=genres_of(scene, settings) if settings.sync_tags else None,
        collections=collections_of(scene, settings) if _collects(settings) else None,
        directors=unique_names((scene.director,)) if settings.sync_director else None,
    )


def fingerprint(wanted: Wanted, settings: Settings) -> str:
    """Return a short name of what is wanted and of the settings that shape how it is written."""
    toggles = [settings.preserve_plex_edits, settings.sync_poster, settings.sync_background]
    shape = json.dumps([MAPPING_VERSION, repr(wanted), toggles])  # asdict takes four times as long
    return hashlib.sha256(shape.encode()).hexdigest()[:24]


def title_of(scene: Scene, title_template: str) -> str:
    """Return the title by its template; empty where the scene has none and the template asks for nothing else.

    Stash shows the file's name for a scene without a title, and so does a template that names more than it.
    """
    values = {name: clean_line(_title_value(name, scene)) for name in template.places(title_template)}
    others = [name for name in values if name != "title" and values[name]]
    if values.get("title") == "" and others and scene.files:
        values["title"] = clean_line(_stem(scene.files[0].path))
    return clean_line(template.render(title_template, values))


def _title_value(name: str, scene: Scene) -> str:
    """Return what a place of `title_template` (settings.TITLE_PLACES) stands for."""
    match name:
        case "id":
            return str(scene.id)
        case "year":
            return full_date(scene.date)[:4]
        case "performers":
            return ", ".join(performer_names(scene.performers))
        case "group":
            return ", ".join(scene.groups)
    value: str = getattr(scene, name)
    return value


def user_rating(rating100: int | None) -> str:
    """Return Plex's rating, 0 to 10, for Stash's 1 to 100; empty where there is none."""
    return f"{min(rating100, 100) / 10:g}" if rating100 and rating100 > 0 else ""


def performer_names(performers: tuple[Performer, ...]) -> tuple[str, ...]:
    """Return the performers' names in Stash's order, each once."""
    return unique_names(tuple(_full_name(performer) for performer in performers))


def actors_of(scene: Scene, role_template: str, pictures: PictureAccess | None) -> tuple[Role, ...]:
    """Return the performers as actors, in Stash's order."""
    actors: dict[str, Role] = {}
    for performer in scene.performers:
        name = _full_name(performer)
        if name and name_key(name) not in actors:
            values = {place: _role_value(place, performer, scene) for place in template.places(role_template)}
            role = clean_line(template.render(role_template, values))
            thumb = picture_url(performer.picture, pictures) if pictures else ""
            actors[name_key(name)] = Role(name, role, thumb)
    return tuple(actors.values())


def genres_of(scene: Scene, settings: Settings) -> tuple[str, ...]:
    """Return the tags that become genres: without the ignored ones, the scene's own first, at most `max_tags`."""
    tags = scene.tags
    if settings.sync_performer_tags:
        tags += tuple(tag for performer in scene.performers for tag in performer.tags)
    ignored = split_names(settings.ignore_tags)
    kept = tuple(name for name in unique_names(tags) if not names_match(name, ignored))
    return kept[: settings.max_tags] if settings.max_tags else kept


def collections_of(scene: Scene, settings: Settings) -> tuple[str, ...]:
    """Return the collections that a scene belongs to, by the settings."""
    names: list[str] = []
    if settings.collection_studio:
        names.append(scene.studio)
    if settings.collection_parent_studio:
        names.append(scene.parent_studio)
    if settings.collection_groups:
        names += scene.groups
    if settings.collection_performers:
        names += performer_names(scene.performers)
    if settings.collection_tags:
        patterns = split_names(settings.collection_tags)
        names += [name for name in unique_names(scene.tags) if names_match(name, patterns)]
    if settings.collection_organized and scene.organized:
        names.append(ORGANIZED)
    clean = filter(None, map(clean_line, names))
    return unique_names(tuple(f"{settings.collection_prefix}{name}" for name in clean))


def _collects(settings: Settings) -> bool:
    """Without any source of collections PlexSync has no say in them."""
    return bool(
        settings.collection_studio
        or settings.collection_parent_studio
        or settings.collection_groups
        or settings.collection_performers
        or settings.collection_tags
        or settings.collection_organized
    )


def _code_in(field: str, scene: Scene, settings: Settings) -> str | None:
    """Return the code for its field; for the other one nothing, so that a code of ours does not stay behind there."""
    if settings.code_field == "off":
        return None
    return clean_line(scene.code) if settings.code_field == field else ""


def _full_name(performer: Performer) -> str:
    """Plex makes one person of equal names over its whole server, so what tells two apart belongs to the name."""
    name, which = clean_name(performer.name), clean_line(performer.disambiguation, LONGEST_LINE // 2)
    return f"{clean_line(name, LONGEST_LINE - len(which) - 3)} ({which})" if name and which else name


def _role_value(place: str, performer: Performer, scene: Scene) -> str:
    """Return what a place of `performer_role` (settings.ROLE_PLACES) stands for."""
    match place:
        case "gender":
            return clean_line(performer.gender.replace("_", " ").capitalize())
        case "age":
            return _age(performer.birthdate, scene.date)
        case "alias":
            return next((alias for alias in map(clean_line, performer.aliases) if alias), "")
    value: str = getattr(performer, place)
    return clean_line(value)


def _age(birthdate: str, date: str) -> str:
    """Whole years on the scene's date; empty where either is not known to the day."""
    try:
        born, then = datetime.date.fromisoformat(birthdate), datetime.date.fromisoformat(date)
    except ValueError:
        return ""
    years = then.year - born.year - ((then.month, then.day) < (born.month, born.day))
    return str(years) if years >= 0 else ""


def _stem(path: str) -> str:
    base = path.replace("\\", "/").rpartition("/")[2]
    stem, dot, _ = base.rpartition(".")
    return stem if dot and stem else base
