"""Hands on the viewer: mouse, fingers, wheel, keys, tilt, buttons; and what else the page owes a person."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Route

from export.viewer.browser import MODES, PHONE, Baked, Tab


@pytest.fixture
def page(normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]) -> Tab:
    return tab(serve(normnex.folder))


@pytest.fixture
def phone(normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]) -> Tab:
    return tab(serve(normnex.folder), size=PHONE, phone=True)


def middle(page: Tab) -> tuple[float, float]:
    """Return the centre of the picture in the window."""
    box = page.page.locator("#picture").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Tab, dx: float, dy: float) -> None:
    x, y = middle(page)
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + dx, y + dy, steps=3)
    page.page.mouse.up()
    page.settle()


def touch(page: Tab, *fingers: tuple[float, float]) -> None:
    """Send a touch event of fingers at offsets from the picture's centre."""
    x, y = middle(page)
    points = [{"x": x + dx, "y": y + dy, "id": i} for i, (dx, dy) in enumerate(fingers)]
    kind = "touchEnd" if not fingers else "touchMove" if page.touching else "touchStart"
    page.touching = bool(fingers)
    page.devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_dragging_moves_the_camera_and_reset_brings_it_back(page: Tab, normnex: Baked) -> None:
    first = page.picture()
    np.testing.assert_allclose(page.position, 0, atol=1e-6)
    drag(page, 60, -40)
    x, y, z = page.position
    assert x < 0 < y
    assert z == 0
    moved = page.picture()
    assert np.abs(moved - first).mean() > 0.005
    page.page.click("#reset")
    page.settle()
    np.testing.assert_array_equal(page.picture(), first)
    assert re.fullmatch(r"still|\d+ frames/s", page.page.locator("#rate").inner_text())


def test_the_camera_stays_where_the_scene_was_seen_from(page: Tab, normnex: Baked) -> None:
    """Allow a little to each side of the reference camera, even if all others were on its other side."""
    ours = normnex.read()
    positions = np.array(ours.manifest.viewpoints)[:, :, 3]
    g = ours.geometry
    side = 0.3 * g.padding * g.near / np.array([g.fx, g.fy, np.inf])
    low, high = np.minimum(positions.min(axis=0), -side), np.maximum(positions.max(axis=0), side)
    for dx, dy in ((500, 300), *3 * [(-450, -300)]):
        drag(page, dx, dy)
        assert (page.position >= low - 1e-6).all()
        assert (page.position <= high + 1e-6).all()
    np.testing.assert_allclose(page.position[:2], high[:2], atol=1e-5)


def test_the_wheel_enlarges_around_the_pointer(page: Tab) -> None:
    before = page.camera()
    x, y = middle(page)
    page.page.mouse.move(x + 50, y)
    page.page.mouse.wheel(0, -300)
    page.settle()
    after = page.camera()
    assert after["fx"] > 1.2 * before["fx"]
    box = page.page.locator("#picture").bounding_box()
    assert box is not None
    at = before["width"] * (0.5 + 50 / box["width"])
    looked_at = [(at - one["cx"]) / one["fx"] for one in (before, after)]
    assert looked_at[0] == pytest.approx(looked_at[1], abs=1e-6)
    page.page.mouse.wheel(0, 3000)
    page.settle()
    assert page.camera()["fx"] == pytest.approx(before["fx"])  # never smaller than the photo


def test_keys_do_all_that_hands_do(page: Tab) -> None:
    page.page.keyboard.press("Tab")
    assert page.run("document.activeElement.id") == "picture"
    seen = [tuple(page.position)]
    for key, axis, sign in (("ArrowRight", 0, 1), ("ArrowDown", 1, 1), ("ArrowLeft", 0, -1), ("w", 2, 1)):
        page.page.keyboard.press(key)
        page.settle()
        seen.append(tuple(page.position))
        assert sign * (seen[-1][axis] - seen[-2][axis]) > 0, key
    focal = page.camera()["fx"]
    page.page.keyboard.press("+")
    page.page.keyboard.press("Shift+ArrowRight")
    page.settle()
    assert page.camera()["fx"] > focal
    page.page.keyboard.press("5")
    assert page.page.locator("#mode-depth").is_checked()
    page.page.keyboard.press("h")
    assert not page.page.locator("#panel").is_visible()
    page.page.keyboard.press("h")
    page.page.keyboard.press(" ")
    assert page.page.locator("#sway").get_attribute("aria-pressed") == "true"
    page.page.keyboard.press("Home")
    page.settle()
    np.testing.assert_allclose(page.position, 0, atol=1e-9)
    assert page.camera()["fx"] == pytest.approx(focal)


def test_it_sways_until_somebody_takes_hold(page: Tab) -> None:
    page.page.click("#sway")
    before = page.position
    page.until(f"Math.abs(viewer.camera.c2w[0][3] - {before[0]}) > 0.01")
    drag(page, 10, 0)
    assert page.page.locator("#sway").get_attribute("aria-pressed") == "false"


def test_one_finger_moves_and_two_enlarge(phone: Tab) -> None:
    for where in (0, 20, 50):
        touch(phone, (where, 0))
    touch(phone)
    phone.settle()
    assert phone.position[0] < 0
    moved, focal = phone.position, phone.camera()["fx"]
    touch(phone, (-20, 0), (20, 0))
    touch(phone, (-40, 0), (40, 0))
    touch(phone, (-60, 0), (60, 0))
    touch(phone)
    phone.settle()
    assert phone.camera()["fx"] == pytest.approx(3 * focal, rel=0.1)
    np.testing.assert_allclose(phone.position, moved, atol=1e-9)
    assert phone.run("visualViewport.scale") == 1  # the page itself is not enlarged


def test_tilting_the_device_moves_the_camera(phone: Tab) -> None:
    phone.page.tap("#tilt")
    phone.until("document.getElementById('tilt').ariaPressed === 'true'")
    tilt = "([beta, gamma]) => dispatchEvent(new DeviceOrientationEvent('deviceorientation', {beta, gamma}))"
    phone.run(tilt, [40, 0])
    phone.settle()
    middle_ = phone.position
    phone.run(tilt, [40, 10])
    phone.settle()
    assert phone.position[0] < middle_[0]
    phone.run(tilt, [50, 0])
    phone.settle()
    assert phone.position[1] < middle_[1]
    phone.page.tap("#tilt")
    phone.run(tilt, [40, 20])
    phone.settle()
    assert phone.position[1] < middle_[1]


def test_a_device_that_refuses_to_tell_its_tilt_is_left_in_peace(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    """Simulate iOS, which asks the person."""

    def refuse(page: Any) -> None:
        page.add_init_script("DeviceOrientationEvent.requestPermission = async () => 'denied'")

    page = tab(serve(normnex.folder), size=PHONE, phone=True, prepare=refuse)
    page.page.tap("#tilt")
    page.until("document.getElementById('tilt').title !== ''")
    assert page.page.locator("#tilt").get_attribute("aria-pressed") == "false"


def test_controls_set_what_they_say(page: Tab) -> None:
    full = page.picture()
    page.page.click("label:has(#mode-diffuse)")
    assert np.abs(page.picture() - full).max() > 0.05
    page.page.click("label:has(#mode-full)")
    page.page.locator("#gain").fill("0")
    assert page.page.locator("#gain-value").inner_text().startswith("0.00 ")
    assert np.abs(page.picture() - full).max() > 0.05
    page.page.locator("#gain").fill("1")
    page.page.select_option("#range", "upto")
    page.page.locator("#plane").fill("3")
    assert page.page.locator("#plane-value").inner_text().startswith("3 of 32, at ")
    assert page.picture().mean() < full.mean() / 2
    page.page.select_option("#range", "all")
    np.testing.assert_array_equal(page.picture(), full)


def test_every_control_has_a_name_for_those_who_hear_the_page(page: Tab) -> None:
    page.page.click("summary")
    nodes = page.devtools.send("Accessibility.getFullAXTree")["nodes"]
    controls = {"button", "slider", "radio", "combobox", "DisclosureTriangle", "application", "complementary"}
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in controls
    ]
    assert {role for role, _ in found} >= {"button", "slider", "radio", "combobox", "application"}
    assert [role for role, name in found if not name.strip()] == []
    assert ("application", "Picture of the scene demo") in found
    assert page.run("document.documentElement.lang") == "en"


@pytest.mark.parametrize("size", [PHONE, (740, 360)], ids=["upright", "sideways"])
def test_all_is_within_reach_on_a_phone(
    size: tuple[int, int], normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    page = tab(serve(normnex.folder), size=size, phone=True)
    if size[0] > size[1]:
        assert not page.page.locator("#panel").is_visible()  # the picture needs the room
        page.keep("phone_sideways_collapsed")
        page.page.tap("#toggle")
        page.settle()
    assert page.run("document.scrollingElement.scrollWidth") <= size[0]
    assert page.run("panel.scrollWidth <= panel.clientWidth")
    kinds = "button, select, summary, .choices label, input[type=range]"
    for control in page.page.locator(f"#panel :is({kinds})").all():
        if control.is_visible():
            control.scroll_into_view_if_needed()
            box = control.bounding_box()
            assert box is not None
            assert 0 <= box["x"] <= box["x"] + box["width"] <= size[0]
            assert 0 <= box["y"] <= box["y"] + box["height"] <= size[1]
            assert min(box["width"], box["height"]) >= 18
    assert page.page.locator("#picture").bounding_box()["width"] > size[0] * 0.55  # type: ignore[index]
    page.keep(f"phone_{'sideways' if size[0] > size[1] else 'upright'}")
    page.page.tap("#toggle")
    assert not page.page.locator("#panel").is_visible()
    assert page.page.locator("#toggle").get_attribute("aria-expanded") == "false"


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_the_address_says_what_is_shown_first_and_screenshots_are_kept(
    device: str, normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    options = {"size": PHONE, "phone": True} if device == "phone" else {}
    page = tab(f"{serve(normnex.folder)}?mode=depth&controls=0", **options)
    assert page.page.locator("#mode-depth").is_checked()
    assert not page.page.locator("#panel").is_visible()
    page.page.click("#toggle")
    for mode in MODES:
        page.show(mode)
        page.settle()
        page.keep(f"{device}_{mode}")


def test_motion_is_soft_unless_somebody_asked_for_less(page: Tab) -> None:
    """Run with a simulated clock of 16 ms a frame."""
    soft, calm = page.run(
        """async () => {
          const { View } = await import("./view.js");
          const { limits, photo } = viewer.view;
          return [false, true].map((calm) => {
            const view = new View(limits, photo, () => calm);
            const seen = [];
            view.move(0.4, 0);
            for (let now = 0; view.step(now); now += 16) seen.push(view.shown.x);
            return [view.wanted.x, ...seen];
          });
        }"""
    )
    wanted, *way = soft
    assert 10 < len(way) < 60
    assert way == sorted(way)
    assert way[-1] == wanted > 0
    assert calm == [wanted, wanted]


def test_slow_devices_get_smaller_frames_and_fast_ones_whole_ones(page: Tab) -> None:
    """Test the pace alone, in the browser's own JavaScript, with frames of given durations."""
    scales = page.run(
        """async () => {
          const { Pace } = await import("./pace.js");
          const pace = new Pace([0.25, 1]);
          let now = 0;
          const run = (ms) => {
            for (let i = 0; i < 80; i++) pace.frame((now += ms(pace.scale)));
            return pace.scale;
          };
          const scales = [run(() => 16), run((s) => Math.max(16, 200 * s * s)), run(() => 16)];
          pace.guess(1, 0.25);
          const guessed = pace.scale;
          pace.guess(40, 0.25);
          return [...scales, guessed, pace.scale, pace.bands];
        }"""
    )
    whole, small, again, quick, slow, bands = scales
    assert whole == again == quick == 1
    assert 200 * small**2 < 45
    assert 640 * slow**2 <= 40
    assert bands == 22  # 640 ms in parts of 30


def test_the_picture_comes_before_its_specular_highlights(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    """Delay the features: the viewer shows the files that have arrived, with a bar for the rest."""
    held: list[Route] = []

    def hold(page: Any) -> None:
        page.route("**/features_0*", lambda route: held.append(route))

    page = tab(serve(normnex.folder), prepare=hold, started=False)
    page.until("window.viewer?.painter.sharp === true")
    page.until("document.getElementById('progress').value > 0.3")
    assert page.page.locator("#loading").is_visible()
    coarse = page.page.locator("#picture").screenshot()
    for route in held:
        route.continue_()
    page.until("viewer.loaded")
    page.settle()
    assert not page.page.locator("#loading").is_visible()
    assert page.page.locator("#picture").screenshot() != coarse
