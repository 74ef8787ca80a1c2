"""Settings: which source wins, and the messages about wrong settings."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.command import springhead
from springhead.model.kit.encryption_keys import EncryptionKey
from springhead.settings import SettingsError, declared, load

TOP = Path(__file__).parents[2]

URL = "postgresql://springhead:hunter2@db.example:5432/springhead"


def write(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o600)
    return file


def mistakes(flags: dict[str, Any] | None = None, environ: dict[str, str] | None = None, **more: Any) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load(flags or {}, environ or {}, **more)
    return list(raised.value.mistakes)


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    file = write(tmp_path / "s.toml", "port = 1\npool_size = 1\nhost = 'h'\n")
    loaded = load({"port": "3"}, {"SPRINGHEAD_PORT": "2", "SPRINGHEAD_POOL_SIZE": "2"}, config=file)
    settings = loaded.settings
    assert (settings.port, settings.pool_size, settings.host, settings.keep_alive) == (3, 2, "h", 75.0)
    assert [loaded.origins[name] for name in ("port", "pool_size", "host", "keep_alive")] == [
        "--port",
        "SPRINGHEAD_POOL_SIZE",
        str(file),
        "default",
    ]


def test_the_file_is_the_one_named_or_springhead_toml_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({}, {}).settings.port == 8025
    write(tmp_path / "springhead.toml", "port = 1")
    other = write(tmp_path / "other.toml", "port = 2")
    assert load({}, {}).settings.port == 1
    assert load({}, {"SPRINGHEAD_CONFIG": str(other)}).settings.port == 2
    assert load({}, {"SPRINGHEAD_CONFIG": "none.toml"}, config=other).settings.port == 2
    assert mistakes({}, {"SPRINGHEAD_CONFIG": "none.toml"}) == ["The settings file none.toml does not exist."]


def test_every_setting_can_come_from_the_environment() -> None:
    given = {
        "SPRINGHEAD_DATA": "/srv/x",
        "SPRINGHEAD_DATABASE_URL": URL,
        "SPRINGHEAD_LIMITS": "false",
        "SPRINGHEAD_ALLOWED_HOSTS": "a.example, b.example",
        "SPRINGHEAD_BODY_TIMEOUT": "1.5",
        "SPRINGHEAD_LOG_FORMAT": "json",
    }
    settings = load({}, given).settings
    assert (settings.data, settings.database_url) == (Path("/srv/x"), URL)
    assert (settings.limits, settings.allowed_hosts) == (False, ("a.example", "b.example"))
    assert (settings.body_timeout, settings.log_format) == (1.5, "json")
    assert load({}, {"SPRINGHEAD_PORT": ""}).settings.port == 8025


def test_all_mistakes_are_listed_at_once_each_in_a_sentence_with_its_place(tmp_path: Path) -> None:
    file = write(tmp_path / "s.toml", "prot = 1\nlimits = 'maybe'\nkeep_alive = nan\n")
    environ = {"SPRINGHEAD_POOLSIZE": "4", "SPRINGHEAD_PORT": "99999", "SPRINGHEAD_DATABASE_URL": "mysql://u:hunter2@h"}
    messages = mistakes({"log_level": "loud", "data": ""}, environ, config=file)
    assert messages == [
        f"prot in {file} is not a setting; did you mean port?",
        "SPRINGHEAD_POOLSIZE in the environment is not a setting; did you mean SPRINGHEAD_POOL_SIZE?",
        f"limits in {file} must be true or false, not 'maybe'.",
        f"keep_alive in {file} must be a number of seconds from 0.1 to 86,400, not nan.",
        "SPRINGHEAD_PORT must be a whole number from 0 to 65,535, not '99999'.",
        "SPRINGHEAD_DATABASE_URL must be an address such as postgresql://springhead:password@host:5432/springhead.",
        "--log-level must be one of debug, error, info, warning, not 'loud'.",
        "--data must be a path, not ''.",
    ]
    assert "hunter2" not in " ".join(messages)


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"port = 1\nport = 2"], ids=["half", "bytes", "twice"])
def test_a_file_that_is_not_toml_is_explained_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "s.toml"
    file.write_bytes(content)
    (message,) = mistakes({}, {}, config=file)
    assert message.startswith(f"The settings file {file} cannot be read: ")


def test_a_file_with_a_password_must_not_be_readable_by_everybody(tmp_path: Path) -> None:
    file = write(tmp_path / "s.toml", f"database_url = '{URL}'")
    assert load({}, {}, config=file).settings.database_url == URL
    file.chmod(0o644)
    assert mistakes({}, {}, config=file) == [
        f"{file} contains a password, and every user can read it; run: chmod 600 {file}"
    ]
    write(file, "database_url = 'postgresql://db.example/springhead'").chmod(0o644)
    load({}, {}, config=file)


KEY, OTHER_KEY = (EncryptionKey(bytes([number]) * 32).text() for number in (1, 2))


def test_an_encryption_key_comes_from_the_environment_or_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    given = load({}, {"SPRINGHEAD_ENCRYPTION_KEY": f"{KEY}, {OTHER_KEY}"}).settings.encryption_key
    assert [key.text() for key in given] == [KEY, OTHER_KEY]
    for text in (f"encryption_key = '{KEY}'", f"encryption_key = ['{KEY}']"):
        file = write(tmp_path / "s.toml", text)
        assert [key.text() for key in load({}, {}, config=file).settings.encryption_key] == [KEY]
        file.chmod(0o644)
        assert mistakes({}, {}, config=file) == [
            f"{file} contains an encryption key, and every user can read it; run: chmod 600 {file}"
        ]


@pytest.mark.parametrize("wrong", ["short", KEY[:-4], f"{KEY},{KEY}x", "ä" * 44, KEY[:-1] + "!"])
def test_a_wrong_encryption_key_is_refused_and_not_repeated(wrong: str) -> None:
    (mistake,) = mistakes({}, {"SPRINGHEAD_ENCRYPTION_KEY": wrong})
    assert mistake == "SPRINGHEAD_ENCRYPTION_KEY must be one or more texts, each 32 random bytes in base64."


def test_an_encryption_key_is_never_shown(tmp_path: Path) -> None:
    loaded = load({"encryption_key": KEY}, {})
    assert [setting.name for setting in loaded.visible_passwords()] == ["encryption_key"]
    assert "***" in repr(loaded)
    for words in (("settings",), ("settings", "--json"), ("doctor", "--json")):
        shown = springhead(*words, cwd=tmp_path, env={"SPRINGHEAD_ENCRYPTION_KEY": KEY})
        assert shown.returncode == 0
        assert KEY not in shown.stdout + shown.stderr
    rows = json.loads(springhead("settings", "--json", env={"SPRINGHEAD_ENCRYPTION_KEY": KEY}).stdout)
    assert {row["setting"]: row["value"] for row in rows}["encryption_key"] == "***"


def test_what_kubernetes_sets_for_a_service_named_springhead_is_no_mistake() -> None:
    environ = {
        "SPRINGHEAD_SERVICE_HOST": "10.0.0.1",
        "SPRINGHEAD_SERVICE_PORT": "8025",
        "SPRINGHEAD_PORT": "tcp://10.0.0.1:8025",
        "SPRINGHEAD_PORT_8025_TCP_ADDR": "10.0.0.1",
    }
    assert load({}, environ).settings.port == 8025


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    environ = {
        "SPRINGHEAD_DATABASE_URL": "postgresql://u:hunter2@h/d?sslmode=require&password=hunter3&sslpassword=hunter4"
    }
    for words in (("settings",), ("settings", "--json")):
        shown = springhead(*words, cwd=tmp_path, env=environ)
        assert shown.returncode == 0
        assert "postgresql://u:***@h/d?sslmode=require&password=***&sslpassword=***" in shown.stdout
        assert "hunter" not in shown.stdout + shown.stderr


def test_springhead_settings_shows_each_value_and_its_source(tmp_path: Path) -> None:
    write(tmp_path / "springhead.toml", "pool_size = 5")
    shown = springhead("settings", "--json", "--port", "81", cwd=tmp_path, env={"SPRINGHEAD_HOST": "::"})
    rows = {row["setting"]: row for row in json.loads(shown.stdout)}
    assert list(rows) == [setting.name for setting in declared()]
    assert (rows["port"]["value"], rows["port"]["from"]) == ("81", "--port")
    assert (rows["host"]["value"], rows["host"]["from"]) == ("::", "SPRINGHEAD_HOST")
    assert (rows["pool_size"]["value"], rows["pool_size"]["from"]) == ("5", "springhead.toml")
    assert (rows["limits"]["value"], rows["limits"]["from"]) == ("true", "default")


def test_wrong_settings_end_a_command_with_2_and_no_traceback(tmp_path: Path) -> None:
    done = springhead("serve", "--port", "x", cwd=tmp_path, env={"SPRINGHEAD_LOG_LEVL": "info"})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "Error: SPRINGHEAD_LOG_LEVL in the environment is not a setting; did you mean SPRINGHEAD_LOG_LEVEL?",
        "Error: --port must be a whole number from 0 to 65,535, not 'x'.",
    ]
    assert not (tmp_path / ".springhead").exists()


def test_help_and_documentation_describe_every_setting(tmp_path: Path) -> None:
    help_text = " ".join(springhead("serve", "--help", cwd=tmp_path).stdout.split())
    page = (TOP / "docs" / "settings.md").read_text()
    for setting in declared():
        assert setting.flag in help_text
        assert setting.about in help_text
        assert f"| `{setting.name}` |" in page


def test_an_address_for_migrations_needs_the_address_of_a_database(tmp_path: Path) -> None:
    owner = URL.replace("//springhead:", "//springhead_owner:")
    both = load({}, {"SPRINGHEAD_DATABASE_URL": URL, "SPRINGHEAD_MIGRATE_URL": owner}, config=None).settings
    assert (both.database_url, both.migrate_url) == (URL, owner)
    with pytest.raises(SettingsError) as wrong:
        load({"migrate_url": owner}, {})
    assert wrong.value.mistakes == ("--migrate-url needs database_url: the embedded PostgreSQL migrates by itself.",)
    file = tmp_path / "s.toml"
    file.write_text(f"database_url = 'postgresql://h/d'\nmigrate_url = '{owner}'\n")
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="contains a password, and every user can read it"):
        load({}, {}, config=file)
