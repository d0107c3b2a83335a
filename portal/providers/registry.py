"""The one list of vendors, and the way to their models. SDKs are imported when a model of theirs is first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from portal.providers.clients import Access, aclose_all
from portal.providers.errors import ProviderError
from portal.providers.transport import OPEN, AddressRefused, Network, Patience, ssl_context
from portal.providers.types import ChatModel, Embedder, ModelInfo

__all__ = ["VENDORS", "Checked", "Vendor", "aclose_all", "chat_model", "embedder", "list_models", "test", "warm_up"]


@dataclass(frozen=True, slots=True)
class Vendor:
    """``base_url`` is the default address; ``asks_address``: a person has to type one.

    ``module`` holds the adapter; ``chat`` and ``embeds`` name its classes, empty where the vendor does not do that.
    ``usual``: models to begin with where nobody has chosen one, best first, of middling price.
    """

    kind: str
    label: str
    module: str
    base_url: str = ""
    needs_key: bool = True
    asks_address: bool = False
    chat: str = ""
    embeds: str = ""
    sdk: str = ""
    usual: tuple[str, ...] = ()

    @property
    def remote(self) -> bool:
        return bool(self.base_url) or self.asks_address


VENDORS: Final[dict[str, Vendor]] = {
    vendor.kind: vendor
    for vendor in (
        Vendor(
            kind="openai",
            label="OpenAI",
            module="openai",
            base_url="https://api.openai.com/v1",
            chat="OpenAIChat",
            embeds="OpenAIEmbedder",
            sdk="openai",
            usual=("gpt-5-mini", "gpt-4.1-mini", "gpt-4o-mini"),
        ),
        Vendor(
            kind="openai_compatible",
            label="OpenAI-compatible server",
            module="openai",
            needs_key=False,
            asks_address=True,
            chat="OpenAIChat",
            embeds="OpenAIEmbedder",
            sdk="openai",
        ),
        Vendor(
            kind="mistral",
            label="Mistral",
            module="mistral",
            base_url="https://api.mistral.ai",
            chat="MistralChat",
            embeds="MistralEmbedder",
            sdk="mistralai.client",
            usual=("mistral-medium-latest", "mistral-small-latest"),
        ),
        Vendor(
            kind="anthropic",
            label="Anthropic",
            module="anthropic",
            base_url="https://api.anthropic.com",
            chat="AnthropicChat",
            sdk="anthropic",
        ),
        Vendor(kind="local", label="This machine", module="local", needs_key=False, embeds="LocalEmbedder"),
        Vendor(kind="quotes", label="Quotes (no model)", module="quotes", needs_key=False, chat="QuotesModel"),
    )
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A credential that works: what it offers, and a sentence for the person who pressed the button."""

    message: str
    models: Sequence[ModelInfo]


def chat_model(
    kind: str,
    model: str,
    api_key: str = "",
    base_url: str = "",
    *,
    network: Network = OPEN,
    patience: Patience | None = None,
) -> ChatModel:
    """A model that writes. Cheap: connections are shared, so make one for each answer.

    The first of a kind imports its vendor's SDK, up to a second: call it in a thread. ``network`` decides where connections
    may go (see transport.py). Raises ``ProviderError``.
    """
    vendor = _vendor(kind, "chat")
    made = getattr(_load(vendor), vendor.chat)
    if not vendor.remote:
        return made()
    return made(_access(vendor, api_key, base_url, network, patience), _named(vendor, model))


def embedder(
    kind: str,
    model: str,
    api_key: str = "",
    base_url: str = "",
    size: int | None = None,
    *,
    window: int | None = None,
    cache: Path | None = None,
    threads: int | None = None,
    network: Network = OPEN,
    patience: Patience | None = None,
) -> Embedder:
    """A model that embeds. ``size`` (dimensions) and ``window`` (tokens) only where the model lets one choose.

    ``cache`` is where the local model is built (it needs one), ``threads`` how many it may use. Raises ``ProviderError``.
    """
    vendor = _vendor(kind, "embeds")
    if kind == "local":
        if cache is None:
            raise ProviderError("The local model needs a directory to be built in.", code="not_configured")
        return _module(vendor).shared_embedder(cache, threads)
    access = _access(vendor, api_key, base_url, network, patience)
    return getattr(_module(vendor), vendor.embeds)(access, _named(vendor, model), size, window)


def list_models(
    kind: str, api_key: str = "", base_url: str = "", *, network: Network = OPEN, patience: Patience | None = None
) -> list[ModelInfo]:
    """What a credential offers. Blocking. Raises ``ProviderError``."""
    vendor = _vendor(kind)
    if kind == "quotes":
        return [ModelInfo("quotes", "Quotes from the sources")]
    if kind == "local":
        return _module(vendor).list_models()
    return _module(vendor).list_models(_access(vendor, api_key, base_url, network, patience))


def test(
    kind: str,
    api_key: str = "",  # noqa: PT028
    base_url: str = "",  # noqa: PT028
    *,
    network: Network = OPEN,  # noqa: PT028
    patience: Patience | None = None,  # noqa: PT028
) -> Checked:
    """Try a credential, by asking what it offers; costs nothing. Blocking. Raises ``ProviderError``."""
    vendor = _vendor(kind)
    try:
        models = list_models(kind, api_key, base_url, network=network, patience=patience)
    except ProviderError as error:
        if vendor.asks_address and error.code in ("model_not_found", "bad_response"):
            raise ProviderError(
                "There is a server at that address, but not an API like OpenAI's. Most such addresses end in /v1.",
                code=error.code,
                retryable=False,
                detail=error.detail,
            ) from None
        raise
    chats = sum(model.kind == "chat" for model in models)
    count = f"{chats} model{'s' if chats != 1 else ''} that write{'s' if chats == 1 else ''}"
    return Checked(f"{vendor.label} answers: {count}, {len(models) - chats} for embeddings.", models)


def warm_up(kinds: Iterable[str]) -> None:
    """Import the SDKs of these kinds, which takes up to a second each. Blocking: call it in a thread before serving."""
    for kind in kinds:
        _load(_vendor(kind))


def _vendor(kind: str, use: str = "") -> Vendor:
    able = [vendor for vendor in VENDORS.values() if not use or getattr(vendor, use)]
    for vendor in able:
        if vendor.kind == kind:
            return vendor
    what = {"chat": "that writes", "embeds": "that embeds", "": "of models"}[use]
    known = ", ".join(vendor.kind for vendor in able)
    raise ProviderError(f"There is no vendor “{kind}” {what}. Known are: {known}.", code="not_configured")


def _load(vendor: Vendor) -> Any:
    """The adapter's module, with all that its first call would otherwise import or make on the event loop."""
    module = _module(vendor)
    if vendor.sdk:
        importlib.import_module(vendor.sdk)
        ssl_context()
    if vendor.sdk == "openai":
        importlib.import_module("openai.resources.chat.completions")
    return module


def _module(vendor: Vendor) -> Any:
    return importlib.import_module(f"portal.providers.{vendor.module}")


def _named(vendor: Vendor, model: str) -> str:
    if not model.strip():
        raise ProviderError(f"Choose a model of {vendor.label}.", code="not_configured")
    return model.strip()


def _access(vendor: Vendor, api_key: str, base_url: str, network: Network, patience: Patience | None) -> Access:
    api_key = api_key.strip()
    if vendor.needs_key and not api_key:
        raise ProviderError(
            f"There is no key for {vendor.label}. Add one under Govern → Credentials.", code="not_configured"
        )
    address = _address(vendor, base_url.strip() or vendor.base_url, network)
    return Access(vendor.kind, vendor.label, address, api_key, network, patience or Patience())


def _address(vendor: Vendor, base_url: str, network: Network) -> str:
    if not base_url:
        raise ProviderError(
            f"{vendor.label}: type its address, such as https://models.example.com/v1.", code="not_configured"
        )
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ProviderError(
            f"{vendor.label}: an address looks like https://models.example.com/v1, without a name, key or ? in it.",
            code="not_configured",
        )
    try:
        network.check(base_url)
    except AddressRefused as refused:
        raise ProviderError(str(refused), code="address_refused") from None
    return base_url.rstrip("/")
