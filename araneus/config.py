"""Settings: packaged defaults, then a file, then the environment; frozen once loaded.

`defaults.toml` is the manual and is really loaded. A key that it does not have is an error, wherever it comes from.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

PREFIX = "ARANEUS__"

CREDENTIALS = "credentials"
"""The file of the data directory with the first user's endpoint and token, in the form of the clients."""


class SettingsError(Exception):
    """A setting is unknown or has a value of the wrong kind; the message says which and where it came from."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the API listens and how it presents itself. ``body_limit`` is in MiB."""

    host: str
    port: int
    public_url: str
    trust_proxy: bool
    body_limit: int
    tls: bool
    tls_names: str
    tls_certificate: str
    tls_key: str


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Which database; an empty URL is SQLite in the data directory."""

    url: str


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where bytes are kept. Lifetimes are in seconds."""

    directory: str
    link_lifetime: int
    upload_lifetime: int


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What jobs may use and how they are confined. ``memory`` is in MiB, ``memory_headroom`` a factor;
    ``images`` tells what stands in for the beginnings of image names."""

    directory: str
    cores: int
    memory: int
    sandbox: str
    containers: str
    unconfined: bool
    memory_headroom: float
    strict_limits: bool
    max_processes: int
    network: bool
    path: str
    end_with_server: bool
    memory_growth: float
    temporary_tries: int
    interrupt_after: float
    images: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JavaScriptSettings:
    """Limits of expressions: seconds and MiB."""

    workers: int
    time_limit: float
    memory: int


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Requests per user and window (seconds); 0 requests means no limit."""

    requests: int
    window: int


@dataclass(frozen=True, slots=True)
class InstanceSettings:
    """Cores and memory (MiB) of instances, by type; ``default`` stands for types that are not known."""

    default: str
    cores: dict[str, int]
    memory: dict[str, int]


@dataclass(frozen=True, slots=True)
class PriceSettings:
    """Dollars, by the hour or the month; of instances by type."""

    cpu_hour: float
    disk_hour: float
    storage_month: float
    instances: dict[str, float]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How much is logged."""

    level: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, and the data directory it belongs to."""

    data: Path
    server: ServerSettings
    database: DatabaseSettings
    storage: StorageSettings
    jobs: JobSettings
    javascript: JavaScriptSettings
    limits: LimitSettings
    prices: PriceSettings
    instances: InstanceSettings
    log: LogSettings

    @property
    def database_url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database.url or f"sqlite:///{self.data / 'araneus.db'}"

    def endpoint(self, host: str, port: int) -> str:
        """The API's URL as clients write it, for a server that listens on this address."""
        server = self.server
        scheme, usual = ("https", 443) if server.tls or server.tls_certificate else ("http", 80)
        own = f"{scheme}://{_reachable(host)}{'' if port == usual else f':{port}'}"
        return f"{server.public_url.rstrip('/') or own}/v2"

    @property
    def storage_directory(self) -> Path:
        """Where blobs and uploads are."""
        return Path(self.storage.directory or self.data / "storage")

    @property
    def images_directory(self) -> Path:
        """Where unpacked images and image files are kept, by engines that keep none themselves."""
        return self.data / "images"

    @property
    def sandbox_directory(self) -> Path:
        """Where what sandboxes show of /etc is kept."""
        return self.data / "sandbox"

    @property
    def jobs_directory(self) -> Path:
        """Where job directories are."""
        return Path(self.jobs.directory or self.data / "jobs")


def _reachable(host: str) -> str:
    """The host as a client on this machine would write it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared with, not bound)
    return f"[{host}]" if ":" in host else host


_CHOICES = {
    ("jobs", "sandbox"): ("auto", "bubblewrap", "none"),
    ("jobs", "containers"): ("auto", "docker", "podman", "apptainer", "singularity", "unpacked", "none"),
    ("log", "level"): ("debug", "info", "warning", "error"),
}
_YEAR = 366 * 86_400
_RANGES: dict[tuple[str, str], tuple[float, float]] = {
    ("server", "port"): (0, 65_535),
    ("server", "body_limit"): (1, 4096),
    ("storage", "link_lifetime"): (1, 10 * _YEAR),
    ("storage", "upload_lifetime"): (60, 10 * _YEAR),
    ("jobs", "cores"): (0, 1_000_000),
    ("jobs", "memory"): (0, 2**40),
    ("jobs", "memory_headroom"): (1, 1000),
    ("jobs", "memory_growth"): (1, 1000),
    ("jobs", "temporary_tries"): (1, 1000),
    ("jobs", "interrupt_after"): (0, _YEAR),
    ("jobs", "max_processes"): (16, 2**22),
    ("javascript", "workers"): (1, 256),
    ("javascript", "time_limit"): (0.1, 3600),
    ("javascript", "memory"): (16, 65_536),
    ("limits", "requests"): (0, 10**9),
    ("limits", "window"): (1, _YEAR),
}
"""The least and the most of each number."""
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "a table"}
_HIGHEST_PRICE = 1e6
_Section = TypeVar("_Section")


def load(data: Path, environ: Mapping[str, str], overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """The settings of a data directory: defaults, ``data/araneus.toml``, environment, then ``overrides`` (the command
    line). Raises `SettingsError`."""
    values = tomllib.loads(resources.files("araneus").joinpath("defaults.toml").read_text("utf-8"))
    file = data / "araneus.toml"
    if file.exists():
        try:
            _merge(values, tomllib.loads(file.read_text("utf-8")), str(file))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SettingsError(f"{file}: {error}") from error
        except OSError as error:
            raise SettingsError(f"{file} cannot be read: {error.strerror}.") from error
    _merge(values, _from_environment(environ, values), "the environment")
    _merge(values, overrides or {}, "the command line")
    return Settings(
        data=data,
        server=_section(ServerSettings, values["server"]),
        database=_section(DatabaseSettings, values["database"]),
        storage=_section(StorageSettings, values["storage"]),
        jobs=_section(JobSettings, values["jobs"]),
        javascript=_section(JavaScriptSettings, values["javascript"]),
        limits=_section(LimitSettings, values["limits"]),
        prices=_prices(values["prices"]),
        instances=_instances(values["instances"]),
        log=_section(LogSettings, values["log"]),
    )


def _prices(values: Mapping[str, Any]) -> PriceSettings:
    prices = {"instances." + name: price for name, price in values["instances"].items()}
    prices |= {name: price for name, price in values.items() if name != "instances"}
    for name, price in prices.items():
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < _HIGHEST_PRICE:
            raise SettingsError(f"prices.{name} is {price!r}; expected a number of dollars from 0 on.")
    return _section(PriceSettings, values)


def _instances(values: Mapping[str, Any]) -> InstanceSettings:
    cores, memory = values["cores"], values["memory"]
    for name in sorted({*cores, *memory}):
        if name not in cores or name not in memory:
            missing = "memory" if name in cores else "cores"
            raise SettingsError(f'instances.{missing} lacks "{name}": say cores and memory of every type.')
        for table, size in (("cores", cores[name]), ("memory", memory[name])):
            if size < 1:
                raise SettingsError(f'instances.{table}."{name}" is {size}; it must be 1 or more.')
    return _section(InstanceSettings, values)


def _section(kind: type[_Section], values: Mapping[str, Any]) -> _Section:
    return kind(**{field.name: values[field.name] for field in fields(kind)})  # type: ignore[arg-type]


def _merge(values: dict[str, Any], given: Mapping[str, Any], source: str) -> None:
    for section, keys in given.items():
        if section not in values or not isinstance(keys, Mapping):
            raise SettingsError(f"Unknown section [{section}] in {source}; known: {', '.join(values)}.")
        for key, value in keys.items():
            known = values[section]
            if key not in known:
                raise SettingsError(f"Unknown setting {section}.{key} in {source}; known: {', '.join(known)}.")
            known[key] = _typed(f"{section}.{key}", value, known[key], source)
            _check(section, key, known[key], source)


def _check(section: str, key: str, value: Any, source: str) -> None:
    """Refuse what has the right type and makes no sense. Raises `SettingsError`."""
    where = f"{section}.{key} in {source} is {value!r}"
    choices = _CHOICES.get((section, key))
    if choices is not None and value not in choices:
        raise SettingsError(f"{where}; choose one of {', '.join(choices)}.")
    least, most = _RANGES.get((section, key), (-math.inf, math.inf))
    if isinstance(value, int | float) and not least <= value <= most:
        raise SettingsError(f"{where}; it must be from {least:,} to {most:,}.")
    if isinstance(value, str) and "\0" in value:
        raise SettingsError(f"{where}; it must not hold a NUL.")


def _typed(name: str, value: Any, default: Any, source: str) -> Any:
    kind = type(default)
    if kind is dict and isinstance(value, Mapping):
        sample = next(iter(default.values()), "")
        return {entry: _typed(f'{name}."{entry}"', item, sample, source) for entry, item in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise SettingsError(f"{name} in {source} is {value!r}; expected {_WORDS[kind]}, such as {default!r}.")
    return value


def _from_environment(environ: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX):
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        default = values.get(section, {}).get(key, "")
        found.setdefault(section, {})[key] = _read(name, text, type(default))
    return found


def _read(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() in {"true", "1", "yes", "on"}:
            return True
        if text.lower() in {"false", "0", "no", "off"}:
            return False
        raise SettingsError(f"{name} is {text!r}; expected true or false.")
    if kind is dict:
        return _read_table(name, text)
    try:
        return kind(text)
    except ValueError as error:
        raise SettingsError(f"{name} is {text!r}; expected {_WORDS[kind]}.") from error


def image_table(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The table ``jobs.images`` of the environment alone, where there is no data directory. Raises `SettingsError`."""
    name = f"{PREFIX}JOBS__IMAGES"
    found = _read_table(name, environ[name]) if name in environ else {}
    return {entry: _typed(f'{name}."{entry}"', text, "", "the environment") for entry, text in found.items()}


def _read_table(name: str, text: str) -> dict[str, Any]:
    """A table as TOML writes it in one line: ``{ "quay.io/" = "registry.lab/quay/" }``."""
    try:
        found = tomllib.loads(f"table = {text}")
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f'{name} is {text!r}; expected a table, such as {{ "a/" = "b/" }}: {error}') from error
    if list(found) != ["table"] or not isinstance(found["table"], dict):
        raise SettingsError(f'{name} is {text!r}; expected a table, such as {{ "a/" = "b/" }}.')
    return found["table"]
