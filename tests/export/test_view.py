"""`normnex view`: what its server gives to whom, and the folder that it writes for other hosts."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normnex_pl.cli.main import main
from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.files import baked_folder
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.export.site.publish import VIEWER, export_site, make_server
from normnex_pl.export.site.server import ViewServer, find_file, is_loopback
from support.small import make_mpi, moved, reference_camera

SECRET = "the run's own"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run folder with a baked image, and private files."""
    folder = tmp_path_factory.mktemp("runs") / "my run"
    camera = reference_camera()
    settings = BakeSettings(threshold=0.0)
    bake(make_mpi("grid"), [camera, moved(camera, 0.1)], folder / "mpi", settings, {"scene": "desk"})
    (folder / "config.yaml").write_text(SECRET)
    (folder / "mpi" / ".hidden.json").write_text(SECRET)
    (folder / "mpi" / "link.json").symlink_to(folder / "config.yaml")
    (folder / "mpi" / "folder").symlink_to(folder, target_is_directory=True)
    (folder / "mpi" / "notes.txt").write_text(SECRET)
    (folder / "secret.json").write_text(SECRET)
    return folder


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[ViewServer]:
    server = make_server(run / "mpi", "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(server: ViewServer, target: str, method: str = "GET", host: str | None = None) -> tuple[int, bytes]:
    """Send a request as it stands: clients would tidy the path up."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{server.server_port}'}"]
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/index.html", "text/html"),
        ("/main.js", "text/javascript"),
        ("/viewer.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
        ("/shaders/mpi.frag.js", "text/javascript"),
        ("/mpi/manifest.json?again", "application/json"),
        ("/mpi/alpha_000.webp", "image/webp"),
        ("/mpi/basis.bin", "application/octet-stream"),
    ],
)
def test_files_come_whole_with_their_types_and_are_asked_for_again(
    path: str, kind: str, server: ViewServer, run: Path
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    name = path.partition("?")[0].removeprefix("/") or "index.html"
    file = run / name if name.startswith("mpi/") else VIEWER / name
    assert answer.read() == file.read_bytes()
    connection.request("HEAD", path)  # on the same connection
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert int(answer.headers["Content-Length"]) == file.stat().st_size
    connection.close()


OUTSIDE = [
    "/../view.py",
    "/%2e%2e/view.py",
    "/%2e%2e%2fview.py",
    "/shaders/../../view.py",
    "/mpi/../secret.json",
    "/mpi/%2e%2e/secret.json",
    "/mpi/..%2fsecret.json",
    "/mpi/%2e%2e%5csecret.json",
    "/mpi/..\\secret.json",
    "/mpi/%252e%252e/secret.json",
    "/mpi//../secret.json",
    "/mpi/./manifest.json",
    "/mpi/link.json",
    "/mpi/folder/secret.json",
    "/mpi/.hidden.json",
    "/mpi/notes.txt",
    "/mpi/",
    "/mpi",
    "/shaders",
    "/shaders/",
    "//etc/passwd",
    "/etc/passwd",
    "/%00index.html",
    "/%ff%fe",
    "../view.py",
    "index.html",
    "http://127.0.0.1/../view.py",
    "/config.yaml",
    "/secret.json",
]


@pytest.mark.parametrize("target", OUTSIDE)
def test_nothing_else_is_given_away(target: str, server: ViewServer) -> None:
    status, body = ask(server, target)
    assert status == 404, target
    assert SECRET.encode() not in body
    assert b"import" not in body


@given(st.lists(st.sampled_from(["..", "%2e%2e", ".", "mpi", "folder", "secret.json", "%2f", "\\", ""])))
def test_no_path_leads_out_of_the_folders(run: Path, parts: list[str]) -> None:
    found = find_file("/" + "/".join(parts), {"": VIEWER, "mpi": run / "mpi"})
    assert found is None or VIEWER.resolve() in found.parents


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_files_are_only_read(method: str, server: ViewServer) -> None:
    assert ask(server, "/mpi/manifest.json", method)[0] == 501


@given(
    st.sampled_from(["localhost", "localhost.", "127.0.0.1", "127.0.0.2", "127.255.0.9", "[::1]"]),
    st.sampled_from(["", ":"]) | st.integers(0, 65535).map(lambda port: f":{port}"),
    st.booleans(),
)
def test_this_computer_is_known_by_its_names_on_any_port(name: str, port: str, capitals: bool) -> None:
    """Tunnels have ports of their own, and browsers leave :80 out."""
    assert is_loopback((name.upper() if capitals else name) + port)


@given(st.text(st.characters(codec="ascii"), max_size=12))
def test_no_text_makes_another_name_this_computer(text: str) -> None:
    """Add text before or after a name: one that ends or begins like ours belongs to somebody else."""
    for host in (f"{text}.example", f"localhost.{text}x", f"127.0.0.1.{text}x", f"{text}@localhost"):
        assert not is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":8008",
        "evil.example",
        "evil.example:8008",
        "localhost.evil.example",
        "evillocalhost",
        "localhost:80:90",
        "localhost:x",
        "127.0.0.1.evil.example",
        "128.0.0.1",
        "192.168.0.2:8008",
        "0.0.0.0",
        "::1",
        "[::2]",
        "[127.0.0.1]",
        "[::1",
        "[fe80::1]:8008",
        "evil.example/localhost",
        "localhost, evil.example",
    ],
)
def test_names_that_were_made_to_point_here_get_advice_alone(host: str, server: ViewServer) -> None:
    """A site elsewhere could otherwise read the files by a visitor's browser."""
    assert not server.knows(host)
    status, body = ask(server, "/mpi/manifest.json", host=host or " ")
    assert status == 403
    assert b"--address=0.0.0.0" in body
    assert b"normnex-mpi" not in body
    assert (host.encode() or b"none") in body


def test_a_second_name_does_not_hide_behind_the_first(server: ViewServer) -> None:
    assert ask(server, "/", host="localhost")[0] == 200
    assert ask(server, "/", host="localhost\r\nHost: evil.example")[0] == 403


def test_an_address_in_reach_of_others_answers_to_every_name(run: Path) -> None:
    with make_server(run / "mpi", "0.0.0.0", 0) as anywhere:
        assert anywhere.knows("desk.example:8008")


def test_only_this_computer_is_served_unless_told(run: Path) -> None:
    with make_server(run / "mpi", "127.0.0.1", 0) as here, make_server(run / "mpi", "0.0.0.0", 0) as anywhere:
        assert here.server_address[0] == "127.0.0.1"
        assert here.url == f"http://127.0.0.1:{here.server_port}/"
        other = ("127.0.0.2", here.server_port)  # also of this computer, but not asked for
        with socket.socket() as connection:
            assert connection.connect_ex(other) != 0
        with socket.socket() as connection:
            assert connection.connect_ex(("127.0.0.2", anywhere.server_port)) == 0


def test_a_taken_port_is_left_to_its_owner(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make_server(run / "mpi", "127.0.0.1", 0) as first:
        monkeypatch.setattr("normnex_pl.export.site.publish._PORT", first.server_port)
        with make_server(run / "mpi", "127.0.0.1", None) as second:
            assert second.server_port != first.server_port
        with pytest.raises(UserError, match=f"port={first.server_port}: expected an address of"):
            make_server(run / "mpi", "127.0.0.1", first.server_port)


def test_an_address_elsewhere_is_refused(run: Path) -> None:
    with pytest.raises(UserError, match=r"--address=192\.0\.2\.1 .*expected an address of this computer"):
        make_server(run / "mpi", "192.0.2.1", 0)


def test_it_says_where_to_look_and_ends_with_ctrl_c(run: Path) -> None:
    command = [sys.executable, "-m", "normnex_pl", "view", str(run), "--port=0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}

    def listen() -> None:
        """Listen to Ctrl-C even in a shell's background, which has its programs ignore it."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment, preexec_fn=listen
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("Look at http://127.0.0.1:")
        port = int(line.split(":")[2].partition("/")[0])
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/mpi/manifest.json")
            assert json.loads(connection.getresponse().read())["provenance"] == {"scene": "desk"}
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""


def test_the_server_starts_without_the_weight_of_training() -> None:
    program = (
        "import sys, normnex_pl.cli.main, normnex_pl.cli.view; "
        "sys.exit(bool({'torch', 'jsonargparse', 'pytorch_lightning'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["{empty}"],
            "expected a baked multiplane image, found none. Bake it first: normnex bake",
        ),
        (["{run}", "--port=70000"], "--port: expected 0 to 65535, found 70000"),
        (
            ["{run}", "--export={run}"],
            "my run: expected a new or empty folder, found one with other files",
        ),
    ],
)
def test_bad_input_ends_in_one_message(
    options: list[str], message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as caught:
        main(["view", *(option.format(run=run, empty=tmp_path / "empty") for option in options)])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error


def test_a_manifest_of_another_version_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mpi").mkdir()
    manifest = json.loads((run / "mpi" / "manifest.json").read_text())
    (tmp_path / "mpi" / "manifest.json").write_text(json.dumps(manifest | {"version": 3}))
    with pytest.raises(UserError, match="expected version 2, found 3"):
        baked_folder(tmp_path)


def test_a_folder_for_other_hosts_has_the_viewer_and_the_image_alone(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    for _ in range(2):  # the second time it replaces what it wrote
        main(["view", str(run), f"--export={site}"])
        assert f"{site} is ready" in capsys.readouterr().out
        written = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
        viewer = {str(path.relative_to(VIEWER)) for path in VIEWER.rglob("*") if path.is_file()}
        image = {path for path in written if path.startswith("mpi")}
        assert written - image == viewer
        assert {"mpi/manifest.json", "mpi/alpha_000.webp", "mpi/basis.bin"} <= image
        assert not {"mpi/link.json", "mpi/notes.txt", "mpi/.hidden.json"} & image
        (site / "index.html").write_text("old")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_damaged_image_is_not_published(run: Path, tmp_path: Path) -> None:
    baked = Path(shutil.copytree(run / "mpi", tmp_path / "mpi", symlinks=True))
    (baked / "basis.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"basis\.bin: expected \d+ bytes as they were baked"):
        export_site(baked, tmp_path / "site")
    assert not (tmp_path / "site").exists()
