"""Fetching files from a real server on this machine."""

import hashlib
import http.server
import os
import threading
import urllib.error

import pytest

from rushlight.vision.datasets import utils

CONTENT = os.urandom(700_001)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; other paths misbehave in the way they are called."""

    log = []

    def do_GET(self):
        asked = self.headers.get("Range")
        self.log.append((self.path, asked))
        if self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        if self.path == "/moved":
            self.send_response(301)
            self.send_header("Location", "/file.bin")
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        start = int(asked[6:].split("-")[0]) if asked and self.path != "/norange" else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        if self.path == "/broken" and not asked:
            body = body[:300_000]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Server.log = []
    daemon = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=daemon.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{daemon.server_port}"
    daemon.shutdown()
    thread.join()
    daemon.server_close()


def test_download_and_checksum(server, tmp_path, capsys):
    utils.download_url(f"{server}/file.bin", tmp_path, md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["file.bin"]
    assert "0.7/0.7 MB" in capsys.readouterr().err
    utils.download_url(f"{server}/file.bin", tmp_path, md5=MD5)
    assert len(Server.log) == 1  # the second time there was nothing to fetch


def test_file_name_and_redirect(server, tmp_path):
    utils.download_url(f"{server}/moved", tmp_path / "new", filename="other.bin")
    assert (tmp_path / "new" / "other.bin").read_bytes() == CONTENT


def test_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        utils.download_url(f"{server}/file.bin", tmp_path, md5="0" * 32)
    assert os.listdir(tmp_path) == []


def test_broken_connection_is_resumed(server, tmp_path):
    with pytest.raises(ConnectionError, match="300000 of 700001 bytes"):
        utils.download_url(f"{server}/broken", tmp_path, "file.bin", md5=MD5)
    assert os.listdir(tmp_path) == ["file.bin.part"]
    utils.download_url(f"{server}/broken", tmp_path, "file.bin", md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert Server.log[-1] == ("/broken", "bytes=300000-")
    assert os.listdir(tmp_path) == ["file.bin"]


def test_without_checksum_a_part_is_not_trusted(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"other bytes")
    utils.download_url(f"{server}/file.bin", tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert Server.log == [("/file.bin", None)]


def test_part_of_another_file_is_thrown_away(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    utils.download_url(f"{server}/file.bin", tmp_path, md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert [asked for _, asked in Server.log] == ["bytes=1000-", None]


def test_part_longer_than_the_file(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 800_000)
    utils.download_url(f"{server}/file.bin", tmp_path, md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_whole_part_is_only_renamed(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    utils.download_url(f"{server}/file.bin", tmp_path, md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT and Server.log == []


def test_server_that_ignores_ranges(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:5000])
    utils.download_url(f"{server}/norange", tmp_path, "file.bin", md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_errors_of_the_network(server, tmp_path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        utils.download_url(f"{server}/missing", tmp_path)
    with pytest.raises(urllib.error.HTTPError):
        utils.download_url(f"{server}/loop", tmp_path)
    with pytest.raises(urllib.error.URLError):
        utils.download_url("http://127.0.0.1:9/file.bin", tmp_path)
    assert os.listdir(tmp_path) == []


def test_small_helpers(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b.txt").write_bytes(b"hello")
    assert utils.list_dir(tmp_path) == ["a"]
    assert utils.list_files(tmp_path, ".txt", prefix=True) == [str(tmp_path / "b.txt")]
    assert utils.calculate_md5(tmp_path / "b.txt") == "5d41402abc4b2a76b9719d911017c592"
    assert utils.check_integrity(tmp_path / "b.txt", "5d41402abc4b2a76b9719d911017c592")
    assert not utils.check_integrity(tmp_path / "b.txt", "0" * 32)
    assert not utils.check_integrity(tmp_path / "a")
    assert utils.verify_str_arg("x", "arg", ["x", "y"]) == "x"
    with pytest.raises(ValueError, match="Unknown value 'z' for argument arg. Valid values are"):
        utils.verify_str_arg("z", "arg", ["x", "y"])
    with pytest.raises(NotImplementedError, match="google_drive"):
        utils.download_file_from_google_drive("id", tmp_path)
