"""The file with the encryption key: its mode, its changes, and what is refused."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from springhead.model.kit.encryption_keys import EncryptionKey
from springhead.store.database.key_file import KeyFile, KeyFileError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def write(path: Path, *keys: EncryptionKey) -> None:
    path.touch(mode=0o600)
    path.write_text("".join(f"{key.text()}\n" for key in keys))


def test_a_new_file_is_for_its_owner_only_also_with_an_open_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keys = KeyFile(tmp_path / "data" / "encryption.key").keys()
    finally:
        os.umask(before)

    assert len(keys) == 1
    assert mode(tmp_path / "data" / "encryption.key") == 0o600
    assert mode(tmp_path / "data") == 0o700
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["encryption.key"]
    assert KeyFile(tmp_path / "data" / "encryption.key").keys() == keys


def test_processes_that_create_the_file_at_once_get_one_key(tmp_path: Path) -> None:
    def create(_number: int) -> Sequence[EncryptionKey]:
        return KeyFile(tmp_path / "encryption.key").keys()

    with ThreadPoolExecutor(8) as threads:
        keys = list(threads.map(create, range(64)))

    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["encryption.key"]


def test_looking_for_keys_creates_none(tmp_path: Path) -> None:
    assert list(KeyFile(tmp_path / "encryption.key").existing()) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [0o604, 0o606, 0o644, 0o666])
def test_a_file_that_every_user_can_read_is_refused(tmp_path: Path, wrong: int) -> None:
    path = tmp_path / "encryption.key"
    write(path, EncryptionKey.new())
    path.chmod(wrong)

    for _ in range(2):
        with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
            KeyFile(path).keys()
    path.chmod(0o640)  # a group that an administrator has chosen may read it
    assert len(KeyFile(path).keys()) == 1


@pytest.mark.parametrize("text", ["", "# no key\n", "short\n", "ä\n", f"{EncryptionKey(bytes(32)).text()}\nnone\n"])
def test_a_broken_file_is_refused_and_stays_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "encryption.key"
    path.touch(mode=0o600)
    path.write_text(text)

    file = KeyFile(path)
    for _ in range(2):
        with pytest.raises(KeyFileError, match="no encryption key, or a broken one"):
            file.keys()
    assert path.read_text() == text


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "encryption.key"
    running, command = KeyFile(path), KeyFile(path)
    (first,) = running.keys()

    command.add()
    newest, *earlier = running.keys()
    assert earlier == [first]
    assert newest != first

    command.keep_newest()
    assert list(running.keys()) == [newest]
    assert mode(path) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["encryption.key"]


def test_a_running_server_keeps_its_keys_if_the_file_is_lost_or_broken(tmp_path: Path) -> None:
    path = tmp_path / "encryption.key"
    running = KeyFile(path)
    keys = running.keys()

    path.write_text("broken")
    assert running.keys() == keys
    path.unlink()
    assert running.keys() == keys
    assert not path.exists(), "a second key would make the first one look lost"


def test_a_killed_change_of_the_key_leaves_no_copy_behind(tmp_path: Path) -> None:
    path = tmp_path / "encryption.key"
    file = KeyFile(path)
    file.keys()
    (tmp_path / "encryption.key.new-0123").write_text("left by a killed command")

    file.add()

    assert [path.name for path in tmp_path.iterdir()] == ["encryption.key"]


def test_no_text_of_a_key_shows_it() -> None:
    key = EncryptionKey.new()
    assert {repr(key), str(key), f"{key}"} == {"EncryptionKey(***)"}
