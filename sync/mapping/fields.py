"""Scene + settings -> what Plex should hold. Pure."""

import datetime
import hashlib
import json

from sync.mapping.performer_pictures import PictureAccess, picture_url
from sync.model import Performer, Role, Scene, Wanted
from sync.settings import Settings
from sync.text import template
from sync.text.clean import LONGEST_LINE, clean_line, clean_name, clean_text, full_date, name_key, unique_names
from sync.text.media_paths import stem
from sync.text.patterns import names_match, split_names

MAPPING_VERSION = 3  # raised where the same scene maps to something else than before: scenes become due again
ORGANIZED = "Organized"  # the collection of the scenes that are marked as organized


def wanted_of(scene: Scene, settings: Settings, pictures: PictureAccess | None = None) -> Wanted:
    """Give what a Plex item of this scene should hold; without `pictures` Plex cannot reach performers' pictures."""
    # A code that goes to one field is taken back from the other.
    no_code = None if settings.code_field == "off" else ""
    codes = {settings.code_field: clean_line(scene.code)}
    return Wanted(
        title=title_of(scene, settings.title_template) if settings.sync_title else None,
        summary=clean_text(scene.details) if settings.sync_summary else None,
        studio=clean_name(scene.studio) if settings.sync_studio else None,
        date=full_date(scene.date) if settings.sync_date else None,
        content_rating=settings.content_rating or None,
        tagline=codes.get("tagline", no_code),
        original_title=codes.get("original_title", no_code),
        rating=user_rating(scene.rating) if settings.sync_rating else None,
        actors=actors_of(scene, settings.performer_role, pictures) if settings.sync_performers else None,
        genres=genres_of(scene, settings) if settings.sync_tags else None,
        collections=collections_of(scene, settings),
        directors=unique_names((scene.director,)) if settings.sync_director else None,
    )


def fingerprint(wanted: Wanted, settings: Settings) -> str:
    """Give a short name of what is wanted and of the settings that shape how it is written."""
    toggles = [settings.preserve_plex_edits, settings.sync_poster, settings.sync_background]
    shape = json.dumps([MAPPING_VERSION, repr(wanted), toggles])  # asdict takes four times as long
    return hashlib.sha256(shape.encode()).hexdigest()[:24]


def title_of(scene: Scene, title_template: str) -> str:
    """Give the title by its template; empty where the scene has none and the template asks for nothing else.

    Stash shows the file's name for a scene without a title, and so does a template that names more than it.
    """
    values = {name: clean_line(_title_value(name, scene)) for name in template.places(title_template)}
    if values.get("title") == "" and any(values.values()) and scene.files:
        values["title"] = clean_line(stem(scene.files[0].path))
    return clean_line(template.render(title_template, values))


def _title_value(name: str, scene: Scene) -> str:
    """Give what a place of `title_template` (kinds.TITLE_PLACES) stands for."""
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
    """Give Plex's rating, 0 to 10, for Stash's 1 to 100; empty where there is none."""
    return f"{min(rating100, 100) / 10:g}" if rating100 and rating100 > 0 else ""


def performer_names(performers: tuple[Performer, ...]) -> tuple[str, ...]:
    """Give the performers' names in Stash's order, each once."""
    return unique_names(tuple(map(_full_name, performers)))


def _full_name(performer: Performer) -> str:
    """Plex makes one person of equal names over its whole server, so what tells two apart belongs to the name."""
    name, which = clean_name(performer.name), clean_line(performer.disambiguation, LONGEST_LINE // 2)
    return f"{clean_line(name, LONGEST_LINE - len(which) - 3)} ({which})" if name and which else name


def actors_of(scene: Scene, role_template: str, pictures: PictureAccess | None) -> tuple[Role, ...]:
    """Give the performers as actors, in Stash's order."""
    actors: dict[str, Role] = {}
    for performer in scene.performers:
        name = _full_name(performer)
        if name and name_key(name) not in actors:
            values = {
                place: clean_line(_role_value(place, performer, scene)) for place in template.places(role_template)
            }
            thumb = picture_url(performer.picture, pictures) if pictures else ""
            actors[name_key(name)] = Role(name, clean_line(template.render(role_template, values)), thumb)
    return tuple(actors.values())


def _role_value(place: str, performer: Performer, scene: Scene) -> str:
    """Give what a place of `performer_role` (kinds.ROLE_PLACES) stands for."""
    match place:
        case "gender":
            return performer.gender.replace("_", " ").capitalize()
        case "age":
            return _age(performer.birthdate, scene.date)
        case "alias":
            return next(filter(None, map(clean_line, performer.aliases)), "")
    value: str = getattr(performer, place)
    return value


def _age(birthdate: str, date: str) -> str:
    """Whole years on the scene's date; empty where either is not known to the day."""
    try:
        born, then = datetime.date.fromisoformat(birthdate), datetime.date.fromisoformat(date)
    except ValueError:
        return ""
    years = then.year - born.year - ((then.month, then.day) < (born.month, born.day))
    return str(years) if years >= 0 else ""


def genres_of(scene: Scene, settings: Settings) -> tuple[str, ...]:
    """Give the tags that become genres: without the ignored ones, the scene's own first, at most `max_tags`."""
    tags = scene.tags
    if settings.sync_performer_tags:
        tags += tuple(tag for performer in scene.performers for tag in performer.tags)
    ignored = split_names(settings.ignore_tags)
    kept = tuple(name for name in unique_names(tags) if not names_match(name, ignored))
    return kept[: settings.max_tags or None]


def collections_of(scene: Scene, settings: Settings) -> tuple[str, ...] | None:
    """Give the collections that a scene belongs to; None without any source of them: PlexSync has no say then."""
    patterns = split_names(settings.collection_tags)
    sources = [
        (settings.collection_studio, (scene.studio,)),
        (settings.collection_parent_studio, (scene.parent_studio,)),
        (settings.collection_groups, scene.groups),
        (settings.collection_performers, performer_names(scene.performers)),
        (settings.collection_tags, [name for name in unique_names(scene.tags) if names_match(name, patterns)]),
        (settings.collection_organized, (ORGANIZED,) if scene.organized else ()),
        (settings.collection_rating, (f"Rating: {rating}",) if (rating := user_rating(scene.rating)) else ()),
    ]
    if not any(is_on for is_on, _ in sources):
        return None
    names = [clean_line(name) for is_on, some in sources if is_on for name in some]
    return unique_names(tuple(f"{settings.collection_prefix}{name}" for name in names if name))
