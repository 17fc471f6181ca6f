"""The models that may be asked: connections to services, and the deployments behind them.

The environment names one deployment, which is enough for most; an operator's own file (LECTERN_DEPLOYMENTS, in TOML)
names as many as wanted. docs/models.md shows one. Keys stand in the environment, never in the file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from project.catalogue import CatalogueError, Model, model_of
from project.parameters import Dialect

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
Api = Literal["chat", "responses"]
Grounding = Literal["hybrid", "data_sources", "file_search"]  # Who searches: Lectern, Azure, or a vector store there.
Moderation = Literal["off", "openai", "filter", "words"]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]\S*$")]
OPENAI = "https://api.openai.com/v1"
SECRETS = ("key", "access_token", "connection_string", "encoded_api_key", "password")  # of a data source


ADDRESS_SECRETS = re.compile(r"(?<=://)[^/@\s]*@|\?\S*$")


class DeploymentsError(ValueError):
    """The deployments cannot be used as they are written; str(exc) names the place and what it must be."""


class UnknownDeployment(LookupError):
    """There is no deployment of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no model {name[:80]!r}.")


UNUSABLE = (DeploymentsError, UnknownDeployment)  # what `chosen` raises


@dataclass(frozen=True)
class Connection:
    """A service and how to sign in to it. On Azure without a key the identity of the process signs in (Entra ID)."""

    name: str
    kind: Literal["azure", "openai", "compatible"]
    endpoint: str
    api_version: str = ""  # Azure's alone: "v1", "preview" or a day.
    key: str = field(default="", repr=False)
    organisation: str = ""
    project: str = ""

    @property
    def dialect(self) -> Dialect:
        if self.kind != "azure":
            return Dialect(self.kind)
        return Dialect("azure-v1") if self.api_version == "v1" else Dialect("azure-dated", self.api_version)

    @property
    def service(self) -> str:
        """Whose days of retirement hold, by the catalogue's names."""
        return "" if self.kind == "compatible" else self.kind


@dataclass(frozen=True)
class Deployment:
    """A model as one service offers it."""

    name: str  # As Lectern, its pages and the callers of its API know it.
    connection: Connection
    model: str  # As the service knows it: a deployment's name on Azure.
    base: Model
    api: Api = "chat"
    fallback: str = ""  # The deployment that is asked when this one is out of order.
    requests_a_minute: int = 0  # The quota it has at the service; 0: none that we know of.
    tokens_a_minute: int = 0
    generation: Mapping[str, Any] = field(default_factory=dict)  # Wishes for each request, by the names of Wanted.
    grounding: Grounding = "hybrid"
    code_interpreter: bool = False  # Whether questions on tables are computed by code that runs at the service.
    tools: bool = False  # Whether it may search further, open pages and compute while it answers.
    data_source: str = ""  # The name of what Azure searches, with grounding = "data_sources".
    moderation: Moderation = "off"  # Who looks at what it is asked and what it answers.


# The operator's file -------------------------------------------------------------------------------------------------
class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Connection(_Written):
    kind: Literal["azure", "openai", "compatible"]
    endpoint: Address | None = None
    api_version: Annotated[str, StringConstraints(pattern=r"^(v1|preview|\d{4}-\d{2}-\d{2}(-preview)?)$")] = "v1"
    key_variable: str = ""
    organisation: str = ""
    project: str = ""


class _Generation(_Written):
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: int | None = None
    stop: Annotated[list[str], Field(max_length=4)] | None = None


class _Deployment(_Written):
    connection: str
    model: str = ""
    base_model: str = ""
    api: Api = "chat"
    fallback: str = ""
    requests_a_minute: Annotated[int, Field(ge=0)] = 0
    tokens_a_minute: Annotated[int, Field(ge=0)] = 0
    generation: _Generation = _Generation()
    grounding: Grounding = "hybrid"
    code_interpreter: bool = False
    tools: bool = False
    data_source: str = ""
    moderation: Moderation = "off"


class _File(_Written):
    default: str = ""
    connections: dict[Name, _Connection] = {}
    deployments: dict[Name, _Deployment] = {}
    data_sources: dict[Name, dict[str, Any]] = {}  # Whoever sends them checks them.


def deployments() -> dict[str, Deployment]:
    """By their names, the default first. Raises DeploymentsError, also for a variable that is not set."""
    found = {deployment.name: deployment for deployment in [_of_environment()] if deployment}
    default = next(iter(found), "")
    if settings.DEPLOYMENTS_FILE:
        written = _read(Path(settings.DEPLOYMENTS_FILE))
        found |= {name: _deployment(name, each, written) for name, each in written.deployments.items()}
        default = written.default or default
        _check_names(found, default)
    first = {default: found[default]} if default else {}
    return first | found


def chosen(name: str = "") -> Deployment | None:
    """The deployment of this name, the default for "" or "default"; None when there is no model at all.

    Raises UnknownDeployment for another name, and DeploymentsError.
    """
    known = deployments()
    if name in {"", "default"}:
        return next(iter(known.values()), None)
    if name not in known:
        raise UnknownDeployment(name)
    return known[name]


def azure_connection() -> Connection:
    """The Azure service that the environment names."""
    return Connection(
        "azure",
        "azure",
        settings.AZURE_OPENAI_ENDPOINT,
        settings.AZURE_OPENAI_API_VERSION,
        settings.AZURE_OPENAI_API_KEY,
    )


def openai_connection() -> Connection:
    """OpenAI, or the server like it, that the environment names."""
    kind: Literal["openai", "compatible"] = "openai" if "api.openai.com" in settings.OPENAI_BASE_URL else "compatible"
    return Connection(
        "openai",
        kind,
        settings.OPENAI_BASE_URL,
        key=settings.OPENAI_API_KEY,
        organisation=settings.OPENAI_ORGANISATION,
        project=settings.OPENAI_PROJECT,
    )


def data_source(name: str) -> dict[str, Any]:
    """The operator's data source of this name as a request carries it, its secrets read from their variables.

    Raises DeploymentsError. What the parameters mean is not looked at here.
    """
    file = _read(Path(settings.DEPLOYMENTS_FILE)) if settings.DEPLOYMENTS_FILE else _File()
    if name not in file.data_sources:
        raise DeploymentsError(f"data_sources: there is no “{name}” in the file.")
    return _with_secrets(file.data_sources[name], f"data_sources.{name}")


def written_sources() -> dict[str, list[tuple[str, str]]]:
    """The operator's data sources as a page may show them, place by place. Raises DeploymentsError.

    No secret is read for it. One that stands in the file all the same is covered, and so is what an address has beside
    its host and path.
    """
    file = _read(Path(settings.DEPLOYMENTS_FILE)) if settings.DEPLOYMENTS_FILE else _File()
    return {
        name: [(place.removeprefix("parameters."), told) for place, told in _shown(written)]
        for name, written in file.data_sources.items()
    }


def _shown(written: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """
    >>> dict(_shown({"endpoint": "https://me:pass@host/path?sig=1", "authentication": {"key": "k", "key_id": "id"}}))
    {'endpoint': 'https://host/path', 'authentication.key': '•••', 'authentication.key_id': 'id'}
    """
    for name, value in written.items():
        if name in SECRETS:
            yield name, "•••"
        elif isinstance(value, dict):
            yield from ((f"{name}.{inner}", told) for inner, told in _shown(value))
        else:
            yield name, ADDRESS_SECRETS.sub("", str(value))[:200]


def _with_secrets(written: dict[str, Any], place: str) -> dict[str, Any]:
    """`key_variable = "SEARCH_KEY"` becomes `key`, and so with every other secret, at any depth."""
    read: dict[str, Any] = {}
    for name, value in written.items():
        secret = name.removesuffix("_variable")
        if name in SECRETS:
            raise DeploymentsError(f"{place}.{name}: write {name}_variable, the name of a variable that holds it.")
        if secret in SECRETS:
            read[secret] = os.environ.get(str(value), "").strip()
            if not read[secret]:
                raise DeploymentsError(f"{place}: the variable {value} is not set.")
        else:
            read[name] = _with_secrets(value, f"{place}.{name}") if isinstance(value, dict) else value
    return read


def _of_environment() -> Deployment | None:
    is_azure = bool(settings.AZURE_OPENAI_ENDPOINT)
    model = settings.AZURE_OPENAI_CHAT_DEPLOYMENT if is_azure else settings.OPENAI_CHAT_MODEL
    if not model:
        return None
    connection = azure_connection() if is_azure else openai_connection()
    return Deployment(
        name=model,
        connection=connection,
        model=model,
        base=_base(settings.CHAT_BASE_MODEL or model, connection),
        api=cast("Api", settings.CHAT_API),
        requests_a_minute=settings.CHAT_REQUESTS_A_MINUTE,
        tokens_a_minute=settings.CHAT_TOKENS_A_MINUTE,
        generation={"reasoning_effort": settings.CHAT_EFFORT} if settings.CHAT_EFFORT else {},
        moderation=cast("Moderation", settings.MODERATION),
    )


def _deployment(name: str, written: _Deployment, file: _File) -> Deployment:
    if written.connection not in file.connections:
        raise DeploymentsError(f"deployments.{name}: there is no connection “{written.connection}” in the file.")
    connection = _connection(written.connection, file.connections[written.connection])
    model = written.model or name
    _check_api(name, written)
    _check_data_source(name, written, connection, file)
    return Deployment(
        name=name,
        connection=connection,
        model=model,
        base=_base(written.base_model or model, connection),
        api=written.api,
        fallback=written.fallback,
        requests_a_minute=written.requests_a_minute,
        tokens_a_minute=written.tokens_a_minute,
        generation=written.generation.model_dump(exclude_none=True),
        grounding=written.grounding,
        code_interpreter=written.code_interpreter,
        tools=written.tools,
        data_source=written.data_source,
        moderation=written.moderation,
    )


def _check_api(name: str, written: _Deployment) -> None:
    """What runs at the service is offered by one of its two ways alone."""
    needs = [
        (written.grounding == "data_sources", 'grounding = "data_sources"', "chat"),
        (written.grounding == "file_search", 'grounding = "file_search"', "responses"),
        (written.code_interpreter, "code_interpreter = true", "responses"),
    ]
    for is_asked, what, api in needs:
        if is_asked and written.api != api:
            raise DeploymentsError(f'deployments.{name}: {what} needs api = "{api}".')


def _check_data_source(name: str, written: _Deployment, connection: Connection, file: _File) -> None:
    if written.grounding != "data_sources":
        if written.data_source:
            raise DeploymentsError(f"deployments.{name}: data_source needs grounding = “data_sources”.")
        return
    if connection.kind != "azure":
        raise DeploymentsError(f"deployments.{name}: data sources are searched by Azure OpenAI alone.")
    if written.data_source not in file.data_sources:
        raise DeploymentsError(f"deployments.{name}: there is no data source “{written.data_source}” in the file.")


def _connection(name: str, written: _Connection) -> Connection:
    endpoint = (written.endpoint or (OPENAI if written.kind == "openai" else "")).rstrip("/")
    if not endpoint:
        raise DeploymentsError(f"connections.{name}: “endpoint” must say where the service is.")
    key = os.environ.get(written.key_variable, "").strip() if written.key_variable else ""
    if written.key_variable and not key:
        raise DeploymentsError(f"connections.{name}: the variable {written.key_variable} is not set.")
    if written.kind == "openai" and not key:
        raise DeploymentsError(f"connections.{name}: “key_variable” must name the variable that holds the key.")
    version = written.api_version if written.kind == "azure" else ""
    return Connection(name, written.kind, endpoint, version, key, written.organisation, written.project)


def _base(base_model: str, connection: Connection) -> Model:
    own = Path(settings.CATALOGUE_FILE) if settings.CATALOGUE_FILE else None
    try:
        return model_of(base_model, service=connection.service, own=own)
    except CatalogueError as exc:
        raise DeploymentsError(str(exc)) from exc


def _check_names(found: dict[str, Deployment], default: str) -> None:
    if default and default not in found:
        raise DeploymentsError(f"default: there is no deployment “{default}”.")
    for deployment in found.values():
        if deployment.fallback and (deployment.fallback not in found or deployment.fallback == deployment.name):
            raise DeploymentsError(
                f"deployments.{deployment.name}: there is no other deployment “{deployment.fallback}” to fall back on."
            )


@lru_cache(maxsize=8)
def _read(path: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise DeploymentsError(f"LECTERN_DEPLOYMENTS: {path} cannot be read: {exc.strerror}.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise DeploymentsError(f"LECTERN_DEPLOYMENTS: {path} is not TOML: {exc}.") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DeploymentsError(f"LECTERN_DEPLOYMENTS: {path}: {place}: {first['msg']}.") from exc
