"""The task "Check setup": what it says of good and of broken setups, and that it changes nothing."""

from __future__ import annotations

import time
import unicodedata
from typing import Any

import pytest

from sync.lock import FileLock, is_held
from tests.servers.plex import VERSION, PlexStandIn
from tests.site import PATIENCE, Answer, Child, Site

pytestmark = pytest.mark.integration

PNG = b"\x89PNG\r\n\x1a\n" + b"picture" * 100
HTML = b"<html>not a picture</html>"


def check(site: Site) -> Answer:
    """Press the button. Whatever the setup is like: a plain answer, no secret, nothing changed."""
    answer = site.call({"mode": "check_setup"})
    assert answer.error is None
    everything = f"{answer.output}\n{answer.said()}"
    for secret in (site.plex.token, site.stash.session_cookie()):
        assert secret not in everything
    assert "Traceback" not in everything
    assert "does not know" not in everything
    assert {request.method for request in site.plex.requests} <= {"GET"}
    assert not [query for query in site.stash.queries() if query.lstrip().startswith("mutation PlexSync")]
    assert not site.data.joinpath("queue").exists()
    assert site.secrets_on_disk() == []
    return answer


def to_fix(answer: Answer) -> list[str]:
    return [text for level, text in answer.log if level in "we"]


def fill(site: Site, stash: str, plex: str, count: int = 3, *, folder: str = "clips", library: int = 0) -> None:
    """Scenes whose files Plex sees under another prefix; `folder` is in both."""
    for number in range(count):
        name = f"{folder}/{folder}-{number}.mp4"
        site.plex.add_item(library or site.library, [(f"{plex}/{name}", 1000 + number)])
        own = f"{stash}/{name}"
        site.stash.add_scene(files=[(own.replace("/", "\\") if "\\" in stash else own, 1000 + number)], cover=PNG)


def test_a_good_setup(site: Site) -> None:
    fill(site, "/media", "/media")
    answer = check(site)
    assert answer.output == "The setup is good. 3 of 3 sampled scenes match (3 by their path)"
    assert to_fix(answer) == []
    said = answer.said("i")
    assert f'Plex "Stand-in", version {VERSION} on Linux, answers at {site.plex.url}' in said
    assert "and takes the token (plex_url, plex_token)" in said
    assert 'Library "Clips": 3 items in Plex' in said
    assert "can be used (image/png, 1 kB)" in said
    assert not site.stash.contract_errors()


def test_it_leaves_the_drain_alone(site: Site) -> None:
    fill(site, "/media", "/media")
    check(site)
    assert not site.data.joinpath("state.db").exists()
    lock = FileLock(str(site.data / "drain.lock"))
    assert lock.acquire()
    try:
        assert str(check(site).output).startswith("The setup is good"), "it runs beside a drain"
    finally:
        lock.release()


def test_the_queue_stays_as_it_is(site: Site) -> None:
    scene, _ = site.add()
    site.hook(scene)
    before = site.rows()
    answer = site.call({"mode": "check_setup"})
    assert str(answer.output).startswith("The setup is good")
    assert site.rows() == before != []
    assert site.plex.edits == []


def test_as_a_task_of_stash(live_site: Site) -> None:
    fill(live_site, "/data", "/media/stash")
    job = live_site.stash.press("Check setup")
    live_site.stash.wait_job(job, 40)
    assert "3 of 3 sampled scenes would match with `/data=/media/stash`" in live_site.stash.log_text()
    assert live_site.plex.token not in live_site.stash.log_text()
    assert live_site.plex.edits == []
    assert live_site.stash.errors() == []
    assert live_site.secrets_on_disk() == []


# --- settings, address, token


@pytest.mark.parametrize(
    ("settings", "named", "goes_on"),
    [
        pytest.param({"plex_url": ""}, ["plex_url is empty"], False, id="no address"),
        pytest.param({"plex_url": "ftp://plex"}, ["plex_url is 'ftp://plex'"], False, id="no web address"),
        pytest.param({"plex_token": ""}, ["plex_token is empty"], False, id="no token"),
        pytest.param({"plex_token": "a b"}, ["plex_token is a value that is not shown"], False, id="half a token"),
        pytest.param({"path_map": "/data"}, ["path_map is '/data'"], True, id="no pair"),
        pytest.param({"max_retries": "many"}, ["max_retries is 'many'"], True, id="no number"),
        pytest.param(
            {"plex_url": "", "plex_token": "", "path_map": "x", "read_timeout": -1},
            ["plex_url is empty", "plex_token is empty", "path_map is 'x'", "read_timeout is -1"],
            False,
            id="several",
        ),
    ],
)
def test_wrong_settings_are_all_named(site: Site, settings: dict[str, Any], named: list[str], goes_on: bool) -> None:
    fill(site, "/media", "/media")
    site.configure(**settings)
    answer = check(site)
    for text, one in zip(to_fix(answer), named, strict=True):
        assert text.startswith(one)
        assert one in str(answer.output)
    assert ("takes the token" in answer.said("i")) == goes_on
    assert ("sampled scenes match" in str(answer.output)) == goes_on
    assert "can be used" in answer.said("i"), "Stash's pictures need no Plex"


def test_the_address_is_tried_without_a_token(site: Site) -> None:
    site.configure(plex_token="")
    assert f"a Plex answers at {site.plex.url}" in check(site).said("i")
    site.plex.stop()
    assert "plex_url: no Plex Media Server answers" in check(site).said("e")


def test_plex_is_away(site: Site) -> None:
    fill(site, "/media", "/media")
    site.plex.stop()
    answer = check(site)
    (text,) = to_fix(answer)
    assert text.startswith(f"plex_url: Plex at {site.plex.url} cannot be reached (connection refused or no route). ")
    assert text.endswith("is plex_url right?")
    assert str(answer.output).startswith("1 thing to fix: 1. plex_url: ")


def test_plex_is_starting(site: Site) -> None:
    site.plex.starting = True
    assert "starting" in check(site).said("e")


def test_a_redirect(site: Site) -> None:
    site.plex.fail(status=302, times=None)
    assert "plex_url" in (said := check(site).said("e"))
    assert "redirect" in said


def test_another_server(site: Site) -> None:
    site.configure(plex_url=f"http://127.0.0.1:{site.stash.port}")
    (text,) = [text for text in to_fix(check(site)) if "plex_url" in text]
    assert "not as a Plex" in text or "redirect" in text


def test_an_address_without_its_port(site: Site) -> None:
    try:
        plex = PlexStandIn(port=32400)
        plex.start()
    except OSError:
        pytest.skip("another server has Plex's port")
    with plex:
        plex.add_item(plex.add_library("Films"), [("/media/clips/clips-0.mp4", 1000)])
        fill(site, "/media", "/media", 1)
        site.configure(plex_url='"127.0.0.1/web/index.html#!/"')
        answer = check(site)
        (text,) = to_fix(answer)
        assert text == (
            "plex_url: no Plex answers at http://127.0.0.1, but one does at http://127.0.0.1:32400. Set plex_url to "
            "http://127.0.0.1:32400"
        )
        assert "1 of 1 sampled scenes match" in str(answer.output), "and the rest is checked there"
        site.configure(plex_url=text.rpartition(" ")[2])
        assert str(check(site).output).startswith("The setup is good")


def test_an_address_without_a_port_where_no_plex_is(site: Site) -> None:
    fill(site, "/media", "/media", 1)
    site.configure(plex_url="127.0.0.2")
    (text,) = to_fix(check(site))
    assert text.startswith("plex_url: Plex at http://127.0.0.2 cannot be reached")


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_reads_and_may_not_write(site: Site, status: int) -> None:
    site.plex.guest_token, site.plex.guest_status = "guest-token-9", status
    fill(site, "/media", "/media", 1)
    site.configure(plex_token=site.plex.guest_token)
    answer = check(site)
    (text,) = to_fix(answer)
    assert text.startswith("plex_token reads, but may not write: it is a managed user's or a guest's.")
    assert "1 of 1 sampled scenes match" in str(answer.output)
    assert "guest-token-9" not in answer.said() + str(answer.output)
    drained = site.sync(1)
    assert "plex_token is refused" in str(drained.error)


@pytest.mark.parametrize("status", [404, 500])
def test_a_plex_without_pages_for_its_owner(site: Site, status: int) -> None:
    site.plex.fail(status=status, times=None, where=lambda one: one.path in ("/accounts", "/status/sessions"))
    fill(site, "/media", "/media", 1)
    assert to_fix(check(site)) == []


def test_a_token_that_plex_refuses(site: Site) -> None:
    site.configure(plex_token="not-the-token")
    answer = check(site)
    assert f"plex_url: a Plex answers at {site.plex.url}" in answer.said("i")
    assert "plex_token is refused" in answer.said("e")
    assert "not-the-token" not in answer.said() + str(answer.output)


# --- libraries


@pytest.mark.parametrize(
    "title",
    [
        "Films, old",
        'The "best"',
        " Clips of mine ",
        "Zoe\u0301",
        "“Best, of”",
    ],
)
def test_what_is_offered_is_accepted(site: Site, title: str) -> None:
    other = site.plex.add_library(title)
    scene, key = site.add("/media/films-0.mp4", 1000)
    site.plex.add_item(other, [("/media/films-0.mp4", 1000)])
    site.plex.add_item(site.plex.add_library("Third"), [("/media/films-0.mp4", 1000)])
    site.configure(plex_library="Nowhere")
    (text,) = [text for text in to_fix(check(site)) if text.startswith("plex_library")]
    offered = text.partition("accepted: ")[2]
    for typed, chosen in (
        (offered, ["Clips", title, "Third"]),
        (offered.removeprefix('"Clips", ').removesuffix(', "Third"'), [title]),
        (title, [title]),
        (unicodedata.normalize("NFC", title).strip().upper(), [title]),
    ):
        site.configure(plex_library=typed)
        said = check(site).said("i")
        assert [f'Library "{name}": 1 item in Plex' in said for name in ("Clips", title, "Third")] == [
            name in chosen for name in ("Clips", title, "Third")
        ], typed
    site.configure(plex_library=offered)
    assert site.save_and_sync(scene, title="T").error is None
    assert site.item(key).title == "T"


def test_of_libraries_that_are_spelt_alike_the_very_one_is_taken(site: Site) -> None:
    site.plex.add_item(site.plex.add_library(" Clips"), [("/media/clips/clips-0.mp4", 1000)])
    fill(site, "/media", "/media", 1)
    for typed, chosen in (("Clips", "Clips"), ('" Clips"', " Clips"), ("clips", "Clips")):
        site.configure(plex_library=typed)
        assert f'Library "{chosen}": 1 item in Plex' in check(site).said("i")


def test_a_library_that_is_not_there(site: Site) -> None:
    fill(site, "/media", "/media")
    site.configure(plex_library="Clips, Films, Old")
    answer = check(site)
    assert to_fix(answer) == ['plex_library "Films" was not found in Plex; accepted: "Clips"']


def test_no_library_that_fits(site: Site) -> None:
    site.plex.add_library("Series", type="show")
    site.configure(plex_library="Series")
    assert to_fix(check(site))[0] == 'plex_library "Series" is a library of type "show"; accepted: "Clips"'
    site.plex.remove_library(site.library)
    site.configure(plex_library="")
    assert "no movie library" in check(site).said("e")


def test_a_library_that_cannot_be_listed(site: Site) -> None:
    fill(site, "/media", "/media")
    other = site.plex.add_library("Other Videos")
    site.plex.fail(status=500, path_contains=f"/sections/{other}/", times=None)
    answer = check(site)
    assert "500" in answer.said("e")
    assert "3 of 3 sampled scenes match" in str(answer.output)


def test_libraries_that_cannot_be_read(site: Site) -> None:
    fill(site, "/media", "/media")
    for status, said in ((404, "answers, but has no libraries"), (500, "answered with status 500")):
        site.plex.clear_faults()
        site.plex.fail(status=status, where=lambda request: request.path == "/library/sections", times=None)
        assert said in check(site).said("e")


def test_an_empty_library(site: Site) -> None:
    site.stash.add_scene(files=[("/media/a.mp4", 1)])
    assert 'Library "Clips" has no items in Plex' in check(site).said("w")


# --- scenes and paths


@pytest.mark.parametrize(
    ("own", "theirs", "proposed"),
    [
        pytest.param("/data", "/media/stash", "/data=/media/stash", id="another prefix"),
        pytest.param("Z:\\films", "/media/films", "Z:=/media", id="Windows to POSIX"),
        pytest.param("/data/a;b=c", "/media/x", '"/data/a;b=c"="/media/x"', id="a folder with ; and ="),
        pytest.param("/data/'a'", '/media/"x"', "/data/'a'=/media/\"x\"", id="quotes in folders"),
    ],
)
def test_a_foreign_prefix_and_its_map(site: Site, own: str, theirs: str, proposed: str) -> None:
    fill(site, own, theirs, 5, library=site.plex.add_library("More", locations=[theirs]))
    answer = check(site)
    said = f"path_map: 5 of 5 sampled scenes would match with `{proposed}` (0 match by their path now)"
    assert [text for text in to_fix(answer) if said in text]
    for typed in (proposed, f" `{proposed}` "):  # as it is copied off the line
        site.configure(path_map=typed, plex_library="More")
        again = check(site)
        assert again.output == "The setup is good. 5 of 5 sampled scenes match (5 by their path)"


def test_several_prefixes(site: Site) -> None:
    fill(site, "/one", "/media", 4, folder="a")
    fill(site, "/two/deep", "/media/disk2", 3, folder="b")
    fill(site, "/media", "/media", 2, folder="c")
    answer = check(site)
    proposed = "/one=/media; /two/deep=/media/disk2"
    assert f"9 of 9 sampled scenes would match with `{proposed}` (2 match by their path now)" in answer.said("w")
    site.configure(path_map=proposed)
    assert "9 of 9 sampled scenes match (9 by their path)" in str(check(site).output)


def test_names_that_occur_twice_need_the_map(site: Site) -> None:
    for folder in ("x", "y"):
        site.plex.add_item(site.library, [(f"/media/{folder}/clip.mp4", 5)])
        site.stash.add_scene(files=[(f"/data/{folder}/clip.mp4", 5)])
    answer = check(site)
    assert "2 of 2 sampled scenes would match with `/data=/media`" in answer.said("w")
    assert "0 of 2 sampled scenes match; 2 could be several Plex items" in answer.said("i")


def test_an_ambiguous_name_is_no_ground_for_a_map(site: Site) -> None:
    for folder in ("x", "y"):
        site.plex.add_item(site.library, [(f"/media/{folder}/clip.mp4", 5)])
    site.stash.add_scene(files=[("/media/z/clip.mp4", 5)])
    answer = check(site)
    assert "would match" not in answer.said()
    assert "strict_matching: 1 of 1 sampled scenes could be several Plex items" in answer.said("w")


def test_folders_that_no_library_has(site: Site) -> None:
    fill(site, "/media", "/media")
    for number in range(4):
        site.stash.add_scene(files=[(f"/private/diary/secret-{number}/film.mp4", 7)])
    site.stash.add_scene(files=[("/media/clips/new.mp4", 8)])
    answer = check(site)
    outside, unscanned = to_fix(answer)
    assert "4 of 8 sampled scenes lie in no folder of the libraries" in outside
    assert '"/private/diary" (4)' in outside
    assert 'the libraries have "/media"' in outside
    assert "1 of 8 sampled scenes are not in Plex although their folder is in a library" in unscanned
    site.configure(skip_not_found=True)
    assert to_fix(check(site)) == [], "what Plex does not have is right as it is"
    assert "film.mp4" not in answer.said(), "whose files they are is private"
    assert "secret-" not in answer.said()


def test_another_size_is_another_file_and_a_scene_may_have_none(site: Site) -> None:
    fill(site, "/media", "/media", 1)
    site.plex.add_item(site.library, [("/media/old/x.mp4", 10)])
    site.stash.add_scene(files=[("/media/new/x.mp4", 20)])
    site.stash.add_scene(title="Only an idea")
    answer = check(site)
    assert "1 of 3 sampled scenes match (1 by their path); 1 are not in Plex" in answer.said("i")
    assert "1 have no file in Stash" in answer.said("i")


def test_no_scenes(site: Site) -> None:
    site.plex.add_item(site.library, ["/media/a.mp4"])
    assert "Stash has no scenes yet" in check(site).said("w")


def test_the_users_conditions_leave_scenes_out(site: Site) -> None:
    fill(site, "/media", "/media", 2)
    site.stash.add_scene(files=[("/elsewhere/a.mp4", 1)], tags=["Private"])
    site.configure(skip_tags="private")
    answer = check(site)
    assert "1 of 3 sampled scenes are left out by your conditions" in answer.said("i")
    assert answer.output == "The setup is good. 2 of 2 sampled scenes match (2 by their path)"


def test_a_sample_of_a_large_library_is_spread_and_stays_the_same(site: Site) -> None:
    for number in range(700):
        where = "/media" if number % 3 else "/data"
        site.stash.add_scene(files=[(f"{where}/{number}.mp4", number + 1)])
        site.plex.add_item(site.library, [(f"/media/{number}.mp4", number + 1)])
    first, second = check(site), check(site)
    (said,) = to_fix(first)
    assert "path_map: 420 of 420 sampled scenes would match with `/data=/media`" in said
    before = int(said.partition("(")[2].split()[0])
    assert 230 < before < 330, "two in three, from all over the library"
    assert to_fix(second) == [said]


# --- pictures


def test_a_picture_that_cannot_be_used(site: Site) -> None:
    site.add()
    site.stash.scene(1).cover = HTML
    answer = check(site)
    assert "Pictures: the cover of scene 1 cannot be used: the picture is no JPEG" in answer.said("w")
    site.configure(sync_poster=False, sync_background=False)
    assert "sync_poster and sync_background are off" in check(site).said("i")


def test_a_picture_that_stash_cannot_give(site: Site) -> None:
    fill(site, "/media", "/media")
    site.stash.fail("status", status=500, times=None, path="/scene/")
    assert "could not be fetched from Stash" in check(site).said("e")


# --- Stash


@pytest.mark.parametrize("query", ["PlexSyncSettings", "PlexSyncSample"])
def test_stash_does_not_answer(site: Site, query: str) -> None:
    fill(site, "/media", "/media")
    site.stash.fail("status", status=502, times=None, query_contains=query)
    answer = check(site)
    assert str(answer.output).startswith("1 thing to fix: 1. Stash ")
    assert ('Library "Clips"' in answer.said("i")) == (query == "PlexSyncSample"), "Plex is checked all the same"


def test_killed_in_the_middle_it_leaves_nothing(site: Site) -> None:
    fill(site, "/media", "/media")
    site.plex.fail(kind="hang", path_contains="/all", times=1)
    child = Child(site, {"mode": "check_setup"})
    end = time.monotonic() + PATIENCE
    while not any(request.fault for request in site.plex.requests) and time.monotonic() < end:
        time.sleep(0.01)
    assert child.is_running()
    assert not is_held(str(site.data / "drain.lock"))
    child.kill()
    site.plex.clear_faults()
    assert [path.name for path in site.data.iterdir()] == ["client_identifier"]
    assert str(check(site).output).startswith("The setup is good")


def test_pictures_of_performers(site: Site) -> None:
    fill(site, "/media", "/media")
    site.stash.add_scene(
        files=[("/media/last.mp4", 77)], performers=[site.stash.add_performer("Anna", image=PNG)], title="Last"
    )
    site.plex.add_item(site.library, [("/media/last.mp4", 77)])
    assert f"Pictures of performers are written as addresses at {site.stash.url}" in check(site).said("i")

    site.configure(stash_url="http://stash.example.org:9999/sub")
    assert "written as addresses at http://stash.example.org:9999/sub" in check(site).said("i")

    site.stash.api_key = "a-key-of-stash-0123456789"
    answer = check(site)
    assert "Pictures of performers are not written: Stash asks for a password" in answer.said("i")
    assert "a-key-of-stash" not in answer.said()
