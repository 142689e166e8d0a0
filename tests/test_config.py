"""Settings: defaults, file, environment, command line, in this order; unknown keys are errors."""

import tomllib
from pathlib import Path

import pytest

from araneus import config


def test_defaults_are_the_packaged_file(tmp_path: Path) -> None:
    settings = config.load(tmp_path, {})
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.database_url == f"sqlite:///{tmp_path}/araneus.db"
    assert settings.storage_directory == tmp_path / "storage"


def test_later_sources_win(tmp_path: Path) -> None:
    (tmp_path / "araneus.toml").write_text("[server]\nport = 1\nhost = 'a'\n[jobs]\ncores = 3\n")
    environment = {"ARANEUS__SERVER__PORT": "2", "ARANEUS__JOBS__UNCONFINED": "Yes", "OTHER": "x"}
    settings = config.load(tmp_path, environment, {"server": {"host": "b"}})
    assert (settings.server.host, settings.server.port, settings.jobs.cores) == ("b", 2, 3)
    assert settings.jobs.unconfined is True


@pytest.mark.parametrize(
    ("file", "environment", "says"),
    [
        ("[server]\nprot = 1\n", {}, "server.prot"),
        ("[sever]\nport = 1\n", {}, "[sever]"),
        ("server = 1\n", {}, "[server]"),
        ("[server]\nport = '1'\n", {}, "server.port"),
        ("[server]\nport = true\n", {}, "server.port"),
        ("[server\n", {}, "araneus.toml"),
        ("[jobs]\nsandbox = 'chroot'\n", {}, "bubblewrap"),
        ("", {"ARANEUS__SERVER__PORT": "many"}, "ARANEUS__SERVER__PORT"),
        ("", {"ARANEUS__SERVER__TRUST_PROXY": "perhaps"}, "true or false"),
        ("", {"ARANEUS__SERVER__COLOUR": "red"}, "server.colour"),
        ("", {"ARANEUS__PORT": "1"}, "port"),
        ("[server]\nport = -5\n", {}, "server.port in {file} is -5; it must be from 0 to 65,535"),
        ("[server]\nport = 99999999\n", {}, "server.port"),
        ("", {"ARANEUS__SERVER__PORT": "70000"}, "server.port in the environment is 70000"),
        ("[server]\nbody_limit = -1\n", {}, "server.body_limit"),
        ("[storage]\nlink_lifetime = 0\n", {}, "storage.link_lifetime"),
        ("[storage]\nlink_lifetime = 99999999999999999\n", {}, "storage.link_lifetime"),
        ("[storage]\nupload_lifetime = -1\n", {}, "storage.upload_lifetime"),
        ("[storage]\ndirectory = 'a\\u0000b'\n".replace("'", '"'), {}, "storage.directory"),
        ("[jobs]\ncores = -1\n", {}, "jobs.cores in {file} is -1"),
        ("[jobs]\nmemory_headroom = nan\n", {}, "jobs.memory_headroom"),
        ("[jobs]\nmemory_growth = inf\n", {}, "jobs.memory_growth"),
        ("[jobs]\nimages = 'x'\n", {}, "expected a table"),
        ("[javascript]\nworkers = -3\n", {}, "javascript.workers"),
        ("[javascript]\ntime_limit = 0\n", {}, "javascript.time_limit"),
        ("[javascript]\nmemory = -1\n", {}, "javascript.memory"),
        ("[limits]\nrequests = -1\n", {}, "limits.requests"),
        ("[limits]\nwindow = 0\n", {}, "limits.window"),
        ("[log]\nlevel = 'LOUD'\n", {}, "log.level in {file} is 'LOUD'; choose one of debug"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, file: str, environment: dict[str, str], says: str) -> None:
    (tmp_path / "araneus.toml").write_text(file)
    with pytest.raises(config.SettingsError) as caught:
        config.load(tmp_path, environment)
    assert says.replace("{file}", str(tmp_path / "araneus.toml")) in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "araneus.toml").mkdir()
    with pytest.raises(config.SettingsError, match=r"araneus.toml cannot be read: Is a directory"):
        config.load(tmp_path, {})


def test_every_number_has_its_bounds() -> None:
    defaults = tomllib.loads((Path(config.__file__).parent / "defaults.toml").read_text())
    numbers = {
        (section, key)
        for section, keys in defaults.items()
        if section not in {"prices", "instances"}
        for key, value in keys.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    assert numbers == set(config._RANGES)


def test_every_default_has_a_comment_and_a_field() -> None:
    text = (Path(config.__file__).parent / "defaults.toml").read_text()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            above = [above for above in lines[max(0, number - 4) : number] if above.startswith("#")]
            assert above, f"{line} has no comment"


def test_the_table_of_images(tmp_path: Path) -> None:
    assert config.load(tmp_path, {}).jobs.images == {}
    (tmp_path / "araneus.toml").write_text('[jobs]\ncores = 2\n[jobs.images]\n"quay.io/" = "registry.lab/quay/"\n')
    environment = {"ARANEUS__JOBS__IMAGES": '{ "a/b:1" = "c:1", "docker.io/" = "mirror/" }'}
    settings = config.load(tmp_path, environment)
    # A table that is set later stands for the whole.
    assert settings.jobs.images == {"a/b:1": "c:1", "docker.io/": "mirror/"}
    assert settings.jobs.cores == 2
    assert config.load(tmp_path, {}).jobs.images == {"quay.io/": "registry.lab/quay/"}


@pytest.mark.parametrize(
    ("file", "environment", "says"),
    [
        ('[jobs.images]\n"quay.io/" = 1\n', {}, 'jobs.images."quay.io/"'),
        ("[jobs]\nimages = 'x'\n", {}, "jobs.images"),
        ("", {"ARANEUS__JOBS__IMAGES": "quay.io"}, "ARANEUS__JOBS__IMAGES"),
        ("", {"ARANEUS__JOBS__IMAGES": "[1]"}, "ARANEUS__JOBS__IMAGES"),
        ("", {"ARANEUS__JOBS__IMAGES": "{}\nother = 1"}, "ARANEUS__JOBS__IMAGES"),
        ("", {"ARANEUS__JOBS__IMAGES": '{ "a/" = 1 }'}, 'jobs.images."a/"'),
    ],
)
def test_mistakes_in_the_table_of_images(tmp_path: Path, file: str, environment: dict[str, str], says: str) -> None:
    (tmp_path / "araneus.toml").write_text(file)
    with pytest.raises(config.SettingsError) as caught:
        config.load(tmp_path, environment)
    assert says in str(caught.value)


def test_the_table_of_images_without_a_data_directory() -> None:
    assert config.image_table({"ARANEUS__JOBS__IMAGES": '{ "a/" = "b/" }'}) == {"a/": "b/"}
    assert config.image_table({}) == {}
    with pytest.raises(config.SettingsError, match="ARANEUS__JOBS__IMAGES"):
        config.image_table({"ARANEUS__JOBS__IMAGES": '{ "a/" = 1 }'})


def test_cores_and_memory_of_instances_are_said_together(tmp_path: Path) -> None:
    (tmp_path / "araneus.toml").write_text('[instances]\ncores = { "a1.large" = 2 }\n')
    with pytest.raises(config.SettingsError, match=r"instances\.(memory|cores) lacks"):
        config.load(tmp_path, {})
    (tmp_path / "araneus.toml").write_text('[instances]\ncores = { "a" = 2 }\nmemory = { "a" = 0 }\n')
    with pytest.raises(config.SettingsError, match=r"instances\.memory.* is 0; it must be 1 or more"):
        config.load(tmp_path, {})
