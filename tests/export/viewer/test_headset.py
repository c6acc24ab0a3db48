"""Headsets: both eyes, the room, hands, the frame rate, and the way out; on an emulated device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from export.viewer.browser import MODES, PHONE, Baked, Browser, Tab
from export.viewer.headset import (
    CAPTURE,
    IPD,
    METRES,
    WALLS,
    after,
    bake_walls,
    disparity,
    enter,
    headset,
    leave,
    middle,
    places,
    seen,
    serving,
)

SIZE = (800, 440)  # of the window, and of both eyes in the emulator
HALF_EYES = IPD / METRES / 2  # units of the world


@pytest.fixture(scope="module")
def walls(tmp_path_factory: pytest.TempPathFactory) -> Baked:
    return bake_walls(tmp_path_factory.mktemp("walls") / "mpi")


@pytest.fixture(scope="module")
def url(walls: Baked) -> Iterator[str]:
    with serving(walls.folder) as url:
        yield url


@pytest.fixture(scope="module")
def shared(url: str, browser: Browser) -> Iterator[Tab]:
    """Open one page for all tests that leave it as it was."""
    page = Tab(browser, f"{url}?quality=low", size=SIZE, prepare=headset())
    yield page
    page.close()


@pytest.fixture
def page(shared: Tab) -> Iterator[Tab]:
    """Return the page in a session with few pixels, with the head at the start."""
    shared.run("device.position.set(0, 1.6, 0); device.quaternion.set(0, 0, 0, 1)")
    shared.run("device.primaryInputMode = 'controller'")
    enter(shared)
    shared.run("picture.width = 64; picture.height = 32")
    yield shared
    leave(shared)


@pytest.mark.parametrize("quality", ["high", "low"])
def test_each_eye_sees_known_depths_where_they_are(quality: str, shared: Tab) -> None:
    """Measure the disparity of two walls: focal length times the distance of the eyes by the depth."""
    shared.page.select_option("#quality", quality)
    enter(shared)
    eyes = after(shared, "")
    assert [eye["eye"] for eye in eyes] == ["left", "right"]
    shown = seen(shared, f"headset_eyes_{quality}").mean(axis=-1)
    leave(shared)
    shared.page.select_option("#quality", "low")
    left, right = (shown[:, one["x"] : one["x"] + one["width"]] for one in (eye["place"] for eye in eyes))
    assert left.shape == right.shape == (440, 400)
    camera = eyes[0]["camera"]
    assert camera["fx"] == pytest.approx(220)  # a field of view of 90 degrees, as the emulator has it
    for x, depth in ((-0.3, WALLS.near), (1.0, WALLS.far)):
        centre = camera["cx"] + camera["fx"] * (x + HALF_EYES) / depth, camera["cy"]
        expected = camera["fx"] * IPD / (depth * METRES)
        assert disparity(left, right, centre) == pytest.approx(expected, abs=0.12), depth


def test_both_eyes_see_a_trained_scene_in_every_mode(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    page = tab(f"{serve(normnex.folder)}?quality=low", size=SIZE, prepare=headset())
    enter(page)
    page.run("picture.width = 480; picture.height = 264")
    pictures = {}
    for mode in MODES:
        page.show(mode)
        left, right = np.split(seen(page, f"headset_{mode}"), 2, axis=1)
        assert left.std() > 0.02, mode
        # Two views of one scene; opacities differ at the edges of planes alone.
        least = 0.0001 if mode == "alpha" else 0.001
        assert least < np.abs(left - right).mean() < 0.1, mode
        pictures[mode] = left
    for first, second in combinations(MODES, 2):
        assert np.abs(pictures[first] - pictures[second]).mean() > 0.002, (first, second)
    leave(page)


def test_it_ends_as_if_nothing_had_happened(shared: Tab) -> None:
    shared.show("diffuse")
    before, size = shared.picture(), shared.run("[picture.width, picture.height, picture.style.width]")
    for _ in range(2):
        enter(shared)
        assert shared.run("[picture.width, picture.height]") == list(SIZE)
        press(shared, "left", "x-button")
        assert shared.run("viewer.look.mode") == "specular"
        leave(shared)
        assert shared.run("[picture.width, picture.height, picture.style.width]") == size
        np.testing.assert_array_equal(shared.picture(), before)
    assert shared.page.locator("#mode-diffuse").is_checked()
    shared.show("full")
    assert shared.run("picture.parentElement.id") == "frame"


def test_eyes_see_through_where_no_plane_is(shared: Tab) -> None:
    enter(shared, "ar")
    assert shared.run("viewer.immersion.seeThrough")
    leave(shared)
    pixels = shared.run(
        """() => {
          const { renderer, look, gl } = viewer;
          const camera = {...viewer.camera, width: 64, height: 48, fx: 20, fy: 20, cx: 32, cy: 24};
          return [false, true].map((seeThrough) => {
            renderer.draw("test", camera, {...look, seeThrough});
            gl.bindFramebuffer(gl.FRAMEBUFFER, renderer.frames.test.buffer);
            const bytes = new Uint8Array(4 * 64 * 48);
            gl.readPixels(0, 0, 64, 48, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
            return [...bytes];
          });
        }"""
    )
    opaque, clear = (np.array(one).reshape(48, 64, 4) for one in pixels)
    assert (opaque[..., 3] == 255).all()
    np.testing.assert_array_equal(clear[0, 0], 0)
    np.testing.assert_array_equal(clear[24, 32], opaque[24, 32])
    assert (clear[..., :3] <= clear[..., 3:]).all()


@pytest.mark.parametrize("case", ["no interface", "no device", "only vr"])
def test_buttons_are_there_for_what_a_device_offers(case: str, url: str, tab: Callable[..., Tab]) -> None:
    def remove(page: Page) -> None:
        page.add_init_script("Object.defineProperty(Navigator.prototype, 'xr', {value: undefined})")

    prepare = {"no interface": remove, "no device": headset(["inline"]), "only vr": headset(["immersive-vr"])}
    page = tab(url, prepare=prepare[case], size=PHONE, phone=True, started=False)
    page.until("document.getElementById('scale')?.textContent")
    assert page.page.locator("#enter-vr").is_visible() == (case == "only vr")
    assert page.page.locator("#headset").is_visible() == (case == "only vr")
    assert not page.page.locator("#enter-ar").is_visible()


def test_a_refusal_is_said_and_changes_nothing(url: str, tab: Callable[..., Tab]) -> None:
    page = tab(url, size=SIZE, prepare=headset())
    before = page.picture()
    page.run("() => { navigator.xr.requestSession = () => Promise.reject(new DOMException('Not now')); }")
    page.page.click("#enter-vr")
    page.until("document.getElementById('headset-status').textContent")
    assert page.page.locator("#headset-status").inner_text() == "The headset can't be entered: Not now"
    np.testing.assert_array_equal(page.picture(), before)


def test_the_head_moves_in_metres_and_is_held_softly(page: Tab) -> None:
    np.testing.assert_allclose(middle(after(page, "")), 0, atol=1e-6)
    a_little = after(page, "device.position.set(0.05, 1.6, 0)")
    np.testing.assert_allclose(middle(a_little), [0.05 / METRES, 0, 0], atol=1e-6)
    way = [middle(after(page, f"device.position.set({x}, 1.6, 0)"))[0] for x in np.linspace(0.1, 0.6, 6)]
    assert (np.diff(way) > 0).all()
    assert (np.diff(np.diff(way)) <= 0).all()  # ever slower
    assert way[2] < way[-1] <= CAPTURE / 2 + 1e-6
    far = after(page, "device.position.set(3, 5, -9)")
    limits = page.run("viewer.immersion.placement.room")
    for value, axis in zip(middle(far), "xyz", strict=True):
        assert limits[axis][0] - 1e-6 <= value <= limits[axis][1] + 1e-6
    assert np.linalg.norm(np.diff(places(far), axis=0)) == pytest.approx(2 * HALF_EYES, rel=1e-4)


def test_the_scene_stands_in_front_wherever_one_looks(page: Tab) -> None:
    """Turn the head by 120 degrees before the session begins; a person may also call the scene back."""
    leave(page)
    turned = (
        f"device.quaternion.set(0, {np.sin(np.pi / 3)}, 0, {np.cos(np.pi / 3)}); device.position.set(4, 1, 2)"
    )
    page.run(turned)
    enter(page)
    eyes = after(page, "")
    np.testing.assert_allclose(np.array(eyes[0]["camera"]["c2w"])[:, :3], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(places(eyes)[:, 0], [-HALF_EYES, HALF_EYES], atol=1e-6)
    after(page, "device.quaternion.set(0, 0, 0, 1); device.position.set(-1, 1, 0)")
    back = press(page, "right", "b-button")
    np.testing.assert_allclose(middle(back), 0, atol=1e-6)


def press(page: Tab, hand: str, button: str) -> list[dict[str, Any]]:
    after(page, f"device.controllers.{hand}.updateButtonValue('{button}', 1)")
    return after(page, f"device.controllers.{hand}.updateButtonValue('{button}', 0)")


def stick(page: Tab, hand: str, x: float, y: float) -> list[dict[str, Any]]:
    """Tilt a stick for some frames."""
    after(page, f"device.controllers.{hand}.updateAxes('thumbstick', {x}, {y})", frames=6)
    return after(page, f"device.controllers.{hand}.updateAxes('thumbstick', 0, 0)")


def test_sticks_and_buttons_move_turn_scale_and_choose(page: Tab) -> None:
    assert middle(stick(page, "left", 1, 0))[0] > 0.005
    assert middle(stick(page, "left", 0, -1))[2] > 0.005  # pushed forward
    after(page, "device.controllers.left.updateAxes('thumbstick', -1, 0)", frames=60)
    at_the_end = after(page, "device.controllers.left.updateAxes('thumbstick', 0, 0)")
    assert -CAPTURE / 2 - 1e-6 <= middle(at_the_end)[0] < -0.8 * CAPTURE / 2
    turned = np.array(stick(page, "right", 1, 0)[0]["camera"]["c2w"])
    angle = np.degrees(np.arctan2(turned[0, 2], turned[2, 2]))
    assert angle == pytest.approx(30, abs=1e-3)  # once, to the right
    apart = np.linalg.norm(np.diff(places(stick(page, "right", 0, -1)), axis=0))
    assert apart < 2 * HALF_EYES * 0.99  # a larger scene has nearer eyes
    press(page, "left", "x-button")
    assert page.run("viewer.look.mode") == "diffuse"
    for _ in range(4):  # there are no normals
        press(page, "left", "x-button")
    assert page.run("viewer.look.mode") == "full"


def test_a_trigger_drags_the_scene(page: Tab) -> None:
    hand = "device.controllers.right"
    after(page, f"{hand}.updateButtonValue('trigger', 1)")
    dragged = after(page, f"{hand}.position.x += 0.06")
    np.testing.assert_allclose(
        middle(dragged), [-0.06 / METRES, 0, 0], atol=1e-6
    )  # the scene follows the hand
    after(page, f"{hand}.updateButtonValue('trigger', 0)")
    let_go = after(page, f"{hand}.position.x -= 0.06")
    np.testing.assert_allclose(middle(let_go), middle(dragged), atol=1e-6)


def test_two_pinching_hands_turn_and_scale_the_scene(page: Tab) -> None:
    both = "for (const hand of [device.hands.left, device.hands.right]) hand.updatePinchValue"
    after(page, "device.primaryInputMode = 'hand'")
    after(page, f"{both}(1)", frames=6)
    grown = after(page, "device.hands.left.position.x -= 0.25; device.hands.right.position.x += 0.25")
    assert np.linalg.norm(np.diff(places(grown), axis=0)) == pytest.approx(
        HALF_EYES, rel=1e-3
    )  # twice as large
    turned = after(page, "device.hands.left.position.z += 0.1; device.hands.right.position.z -= 0.1")
    angle = np.degrees(np.arctan2(*np.array(turned[0]["camera"]["c2w"])[[0, 2], 2]))
    assert angle == pytest.approx(np.degrees(np.arctan2(0.1, 0.5)), abs=0.1)
    after(page, f"{both}(0)", frames=6)


def test_frusta_may_be_asymmetric(shared: Tab) -> None:
    """Project points by matrices of displays that are larger on one side, and by the cameras made of them."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        left, right, bottom, top = rng.uniform(0.2, 2, 4) * [-1, 1, -1, 1]
        near, far = 0.1, 100
        matrix = np.array([
            [2 / (right - left), 0, (right + left) / (right - left), 0],
            [0, 2 / (top - bottom), (top + bottom) / (top - bottom), 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ])  # fmt: skip
        width, height = 200, 120
        camera = shared.run(
            "async (p) => (await import('./xr/eyes.js')).intrinsicsOf(p, 200, 120)", matrix.T.ravel().tolist()
        )
        points = rng.uniform([-1, -1, 2], [1, 1, 4], (10, 3))  # x right, y down, z forward
        clip = matrix @ np.vstack([(points * [1, -1, -1]).T, np.ones(10)])
        x, y = clip[:2] / clip[3]
        expected = (x + 1) / 2 * width, (1 - y) / 2 * height
        found = [camera[f"f{a}"] * points[:, i] / points[:, 2] + camera[f"c{a}"] for i, a in enumerate("xy")]
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_resolution_falls_until_frames_are_on_time_and_then_stays(shared: Tab) -> None:
    """Simulate a headset of 72 frames a second, on which a whole frame takes 20 ms."""
    small, again, whole, held = shared.run(
        """async () => {
          const { XrPace } = await import("./xr/pace.js");
          const due = 1000 / 72;
          let now = 0;
          const run = (pace, cost, frames) => {
            const seen = [];
            for (let i = 0; i < frames; i++) {
              now += Math.ceil((cost * pace.scale ** 2) / due) * due;
              pace.frame(now);
              seen.push(pace.scale);
            }
            return seen;
          };
          const slow = new XrPace([0.25, 1], 72);
          return [run(slow, 20, 300), run(slow, 20, 1000), run(new XrPace([0.25, 1], 72), 5, 300),
            run(new XrPace([0.25, 0.5]), 5, 300)];
        }"""
    )
    assert small[-1] ** 2 * 20 <= 1000 / 72
    assert small[-1] > 0.6
    changes = np.flatnonzero(np.diff(again))
    assert len(changes) <= 4  # no breathing
    assert set(whole) == {1}
    assert set(held) == {0.5}
