"""Presentations in the viewer: what visitors see, what authors edit, what other pages may ask for."""

from __future__ import annotations

import base64
import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Route

from export.viewer.browser import DESKTOP, PHONE, Baked, Tab, origin_of
from export.viewer.headset import CAPTURE, WALLS, bake_walls, headset
from normnex_pl.core.files import write_json
from normnex_pl.export.baked.files import MANIFEST, read_manifest
from normnex_pl.export.baked.presenting import present, read_presentation
from normnex_pl.export.formats.scale import metres_per_unit
from normnex_pl.export.site.server import ViewServer

SIZE = (800, 440)
VIEWS: list[dict[str, Any]] = [
    {"name": "Left", "position": [-0.2, 0.0, 0.0]},
    {
        "name": "Nah & <b>groß</b>",
        "position": [0.1, 0, 0],
        "zoom": 2,
        "pan": [0.2, 0.1],
        "mode": "depth",
        "gain": 0.5,
    },
]
CONTENT: dict[str, Any] = {
    "title": "Two <i>walls</i>",
    "text": "The near one\nhides the far one.",
    "metres_per_unit": 1.5,
    "start": "Left",
    "views": VIEWS,
}


@pytest.fixture(scope="module")
def walls(tmp_path_factory: pytest.TempPathFactory) -> Baked:
    return bake_walls(tmp_path_factory.mktemp("walls") / "mpi")


@pytest.fixture
def image(walls: Baked, tmp_path: Path) -> Path:
    """Return an image with a presentation and a poster."""
    folder = Path(shutil.copytree(walls.folder, tmp_path / "mpi"))
    Image.new("RGB", (80, 60), (250, 10, 120)).save(tmp_path / "poster.png")
    write_json(tmp_path / "presentation.json", CONTENT | {"poster": "poster.png"})
    present(folder, read_presentation(tmp_path / "presentation.json"))
    return folder


@pytest.fixture
def show(image: Path, serve: Callable[[Path], str], tab: Callable[..., Tab]) -> Callable[..., Tab]:
    """Return a function that opens the image at an address's query."""

    def open_at(query: str = "", **options: Any) -> Tab:
        return tab(f"{serve(image)}{query}", **({"size": SIZE} | options))

    return open_at


def test_a_visitor_sees_title_text_and_the_start_view(show: Callable[..., Tab]) -> None:
    page = show(size=DESKTOP)
    assert page.page.locator("#title").inner_text() == CONTENT["title"]  # as text, never as HTML
    assert page.page.locator("#about").inner_text() == CONTENT["text"]
    assert page.page.title() == f"{CONTENT['title']}: multiplane image"
    assert page.page.locator("#views button").all_inner_texts() == [view["name"] for view in VIEWS]
    np.testing.assert_allclose(page.position, [-0.2, 0, 0])
    left = page.page.get_by_role("button", name="Left", exact=True)
    assert left.get_attribute("aria-pressed") == "true"
    page.keep("desktop_presentation")

    page.page.click("#sway")
    page.page.get_by_role("button", name=VIEWS[1]["name"]).click()
    page.settle()
    assert page.page.locator("#sway").get_attribute("aria-pressed") == "false"
    np.testing.assert_allclose(page.position, [0.1, 0, 0])
    assert page.run(
        "[viewer.view.shown.zoom, viewer.view.shown.panX, viewer.look.mode, viewer.look.gain]"
    ) == [
        *(2, 0.2, "depth", 0.5),
    ]
    assert left.get_attribute("aria-pressed") == "false"
    page.page.keyboard.press("Escape")
    page.run("document.activeElement.blur()")
    page.page.keyboard.press("r")
    page.settle()
    np.testing.assert_allclose(page.position, [-0.2, 0, 0])
    assert page.run("viewer.look.mode") == "full"


@pytest.mark.parametrize("reach", [0.02, CAPTURE])
def test_the_viewer_and_exports_agree_on_an_unknown_scale(
    reach: float, show: Callable[..., Tab], image: Path
) -> None:
    """Also where the camera may go further than a narrow capture did."""
    places = [[[1, 0, 0, x], [0, 1, 0, 0], [0, 0, 1, 0]] for x in (0, reach)]
    content = json.loads((image / MANIFEST).read_bytes()) | {"presentation": None, "viewpoints": places}
    found = show().run(
        """async (manifest) => {
          const { limitsOf } = await import("./pose.js");
          const { scaleOf } = await import("./xr/scale.js");
          return scaleOf(limitsOf(manifest), null);
        }""",
        content,
    )
    write_json(image / MANIFEST, content)
    assert found == {"metres": pytest.approx(0.4 / reach), "known": False}
    assert metres_per_unit(read_manifest(image)) == pytest.approx(found["metres"])


def test_the_address_names_a_view(show: Callable[..., Tab]) -> None:
    page = show("?view=Nah%20%26%20%3Cb%3Egro%C3%9F%3C%2Fb%3E&mode=alpha")
    np.testing.assert_allclose(page.position, [0.1, 0, 0])
    assert page.run("viewer.look.mode") == "alpha"  # what the address says itself takes precedence
    page.run("viewer.view.to({x: 0})")
    page.page.click("#reset")
    page.settle()
    np.testing.assert_allclose(page.position, [0.1, 0, 0])
    assert show("?view=Other").run("viewer.presenter.current") == "Left"


def test_the_poster_stands_in_until_there_is_a_picture(show: Callable[..., Tab]) -> None:
    held: list[Route] = []
    page = show(
        prepare=lambda page: page.route("**/alpha_0*", lambda route: held.append(route)), started=False
    )
    page.until("window.viewer?.presenter && document.getElementById('poster').width === 80")
    box = page.page.locator("#picture").bounding_box()
    shown = np.asarray(Image.open(io.BytesIO(page.page.screenshot(clip=box))).convert("RGB"))
    np.testing.assert_allclose(shown[60, 60], (250, 10, 120), atol=4)
    for route in held:
        route.continue_()
    page.until("viewer.loaded")
    page.settle()
    assert not page.page.locator("#poster").is_visible()


def test_views_are_edited_and_downloaded_as_a_file_that_the_command_takes(
    show: Callable[..., Tab], tmp_path: Path
) -> None:
    page = show(size=DESKTOP)
    page.page.click("#editor summary")
    page.run("viewer.view.to({x: 0.05, y: 0.01, zoom: 1.5})")
    page.show("alpha", 0.75)
    page.page.click("#save-view")
    assert page.run("document.activeElement.value") == "View 3"
    page.page.keyboard.type("Mine <3")
    page.page.keyboard.press("Tab")
    assert page.run("document.activeElement.getAttribute('aria-label')") == "Start with Mine <3"
    page.page.keyboard.press("Enter")
    page.page.get_by_label("Name of Left").fill("Mine <3")  # is taken
    page.page.get_by_label("Name of Left").press("Tab")
    assert page.page.get_by_label("Name of Left").input_value() == "Left"
    page.page.get_by_label("Delete Left").press("Enter")
    page.page.locator("#edit-title").fill("Mauern")
    page.page.locator("#edit-text").fill("")
    page.page.locator("#edit-width").fill("120")
    page.page.click("#take-poster")
    page.until("document.getElementById('edit-status').textContent")
    page.keep("desktop_editor")
    assert page.page.locator("#title").inner_text() == "Mauern"
    with page.page.expect_download() as caught:
        page.page.click("#download")
    assert caught.value.suggested_filename == "presentation.json"
    caught.value.save_as(tmp_path / "presentation.json")
    content = json.loads((tmp_path / "presentation.json").read_text())
    poster = np.asarray(Image.open(io.BytesIO(base64.b64decode(content["poster"].partition(",")[2]))))
    np.testing.assert_allclose(poster.mean() / 255, page.picture().mean(), atol=0.01)
    read = read_presentation(tmp_path / "presentation.json")
    assert read.poster is not None
    assert read.entry.title == "Mauern"
    assert read.entry.text is None
    assert read.entry.start == "Mine <3"
    assert read.entry.metres_per_unit == pytest.approx(1.2 / CAPTURE)
    assert [view.name for view in read.entry.views] == [VIEWS[1]["name"], "Mine <3"]
    saved = read.entry.views[1]
    assert (*saved.position, saved.zoom, saved.mode, saved.gain) == (0.05, 0.01, 0, 1.5, "alpha", 0.75)


def test_headsets_take_the_scale_from_the_file(show: Callable[..., Tab]) -> None:
    page = show(prepare=headset())
    page.until("document.getElementById('scale').textContent")
    expected = f"True to scale: the capture is {CAPTURE * 150:.0f} cm wide, as the image says."
    assert page.page.locator("#scale").inner_text() == expected
    page.page.click("#editor summary")
    page.page.locator("#edit-width").fill("")
    page.page.locator("#edit-width").press("Tab")
    page.until("document.getElementById('scale').textContent.startsWith('Scale unknown')")


@pytest.fixture
def around(tmp_path: Path) -> Iterator[str]:
    """Serve a page at another origin that embeds what its address says, and keeps what it hears."""
    (tmp_path / "around").mkdir()
    (tmp_path / "around" / "index.html").write_text(
        "<!doctype html><link rel='icon' href='data:,'><body><script>window.heard = [];"
        "addEventListener('message', ({data, origin}) => heard.push({...data, origin}));"
        "const frame = document.createElement('iframe'); frame.width = 700; frame.height = 440;"
        "frame.src = decodeURIComponent(location.hash.slice(1)); document.body.append(frame);"
        "window.say = (message) => frame.contentWindow.postMessage(message, '*');"
        "</script>"
    )
    server = ViewServer(("127.0.0.1", 0), {"": tmp_path / "around"})
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.url
    server.shutdown()
    server.server_close()


def test_a_page_around_it_that_is_listed_may_ask_and_set(
    image: Path, around: str, serve: Callable[[Path], str], tab: Callable[..., Tab], tmp_path: Path
) -> None:
    write_json(tmp_path / "presentation.json", CONTENT | {"origins": [around.rstrip("/")]})
    present(image, read_presentation(tmp_path / "presentation.json"))
    url = serve(image)
    page = tab(f"{around}#{url}", started=False, others=[origin_of(url)])
    page.until("heard.length > 0")
    ready = page.run("heard[0]")
    assert ready["origin"] == url.rstrip("/")
    modes = ["full", "diffuse", "specular", "depth", "alpha"]
    expected = {"mode": "full", "view": "Left", "gloss": 1, "modes": modes}
    assert ready.items() >= (expected | {"normnex": "ready", "title": CONTENT["title"]}).items()
    assert ready["views"] == [view["name"] for view in VIEWS]

    def ask(message: dict[str, Any]) -> dict[str, Any]:
        page.run("message => { say(message); }", message)
        page.until(f"heard.some(({{id}}) => id === {json.dumps(message['id'])})")
        answer: dict[str, Any] = page.run("id => heard.find((one) => one.id === id)", message["id"])
        return answer

    answer = ask({"normnex": "set", "id": 1, "view": VIEWS[1]["name"], "mode": "diffuse", "gloss": 2})
    assert (answer["normnex"], answer["mode"], answer["gloss"], answer["view"]) == (
        "state",
        "diffuse",
        2,
        None,
    )
    page.until("heard.some(({normnex, mode}) => normnex === 'change' && mode === 'diffuse')")
    seen_from = "viewer.settled().then(() => viewer.camera.c2w[0][3])"  # the camera arrives smoothly
    assert page.page.frames[1].evaluate(seen_from) == pytest.approx(0.1)
    for wrong in ({"mode": "normals"}, {"view": "Other"}, {"gloss": "2"}, {"gloss": 1, "mode": ["full"]}):
        refused = ask({"normnex": "set", "id": json.dumps(wrong), **wrong})
        assert refused["normnex"] == "error"
        assert "expected" in refused["message"]
    state = ask({"normnex": "get", "id": "last"})
    assert (state["mode"], state["gloss"]) == ("diffuse", 2)
    page.run("() => { for (const odd of [null, 1, 'x', [], {}, {normnex: 'eval'}]) say(odd); }")
    assert ask({"normnex": "get", "id": "after"})["normnex"] == "state"


def test_a_page_around_it_that_is_not_listed_gets_no_answer(
    image: Path, around: str, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    url = serve(image)
    page = tab(f"{around}#{url}", started=False, others=[origin_of(url)])
    frame = page.page.frames[1]
    while not frame.evaluate("Boolean(window.viewer?.loaded)"):
        page.run("new Promise(requestAnimationFrame)")
    page.run("() => { say({normnex: 'set', id: 1, mode: 'alpha'}); }")
    frame.evaluate("viewer.settled()")
    assert page.run("heard") == []
    assert frame.evaluate("viewer.look.mode") == "full"


class Elements(HTMLParser):
    """The elements of a piece of HTML, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def test_the_snippet_shows_what_is_shown(show: Callable[..., Tab], tab: Callable[..., Tab]) -> None:
    page = show()
    snippet = page.page.locator("#snippet").input_value()
    elements = Elements(snippet).found
    assert [name for name, _ in elements] == ["iframe"]
    attributes = elements[0][1]
    assert attributes["src"] == f"{page.url}?view=Left&controls=0"
    assert attributes["title"] == CONTENT["title"]
    assert "xr-spatial-tracking" in attributes["allow"]
    inside = tab(attributes["src"], size=SIZE)
    assert not inside.page.locator("#panel").is_visible()
    np.testing.assert_allclose(inside.position, [-0.2, 0, 0])
    page.page.click("#editor summary")
    page.page.click("#copy-snippet")
    page.until("document.getElementById('edit-status').textContent")
    assert page.run("getSelection().toString() || document.activeElement.id") in (
        snippet,
        "copy-snippet",
        "snippet",
    )


def test_low_quality_draws_fewer_pixels(show: Callable[..., Tab]) -> None:
    page = show("?quality=low", density=3, size=(120, PHONE[1]), phone=True)
    assert page.run("picture.width") == 120
    assert page.run("viewer.painter.pace.scale") <= 0.5
    page.page.select_option("#quality", "high")
    page.settle()
    assert page.run("[picture.width, viewer.painter.pace.scale]") == [
        2 * WALLS.width,
        1,
    ]  # no more than is there
    page.page.select_option("#quality", "auto")
    page.settle()
    assert page.run("viewer.painter.pace.scales") == [0.25, 1]


def test_all_of_the_editor_is_within_reach_on_a_phone(show: Callable[..., Tab]) -> None:
    page = show(size=PHONE, phone=True, prepare=headset())
    page.page.tap("#editor summary")
    assert page.run("document.scrollingElement.scrollWidth") <= PHONE[0]
    assert page.run("panel.scrollWidth <= panel.clientWidth")
    page.keep("phone_presentation")
    for control in page.page.locator("#panel :is(button, input:not([type=radio]), textarea, select)").all():
        if control.is_visible():
            control.scroll_into_view_if_needed()
            box = control.bounding_box()
            assert box is not None
            assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE[0]
            assert 0 <= box["y"] <= box["y"] + box["height"] <= PHONE[1] + 1
    page.keep("phone_editor")
    nodes = page.devtools.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "textbox", "spinbutton", "combobox", "group", "list"}
    named = [
        node.get("name", {}).get("value", "") for node in nodes if node["role"]["value"] in roles - {"group"}
    ]
    assert len(named) > 15
    assert "" not in [name.strip() for name in named]


BROKEN = {
    "views": ({"views": 3}, "presentation.views"),
    "a position": ({"views": [VIEWS[0] | {"position": "x"}]}, "presentation.views[0].position"),
    "a title": ({"title": 3}, "presentation.title"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_presentation_is_named(
    name: str, image: Path, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    change, where = BROKEN[name]
    manifest = json.loads((image / MANIFEST).read_text())
    write_json(image / MANIFEST, manifest | {"presentation": manifest["presentation"] | change})
    page = tab(serve(image), complaints=True, started=False)
    page.until("!document.getElementById('problem').hidden")
    assert page.problem is not None
    assert where in page.problem
