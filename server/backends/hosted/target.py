"""A route's settings, its vendor and its model put together: whom to ask, where, and with what."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from yarl import URL

from server.backends.hosted.anthropic.wire import Messages
from server.backends.hosted.catalogue import model_id
from server.backends.hosted.openai.wire import ChatCompletions
from server.backends.hosted.vendors import ANY_URL, VENDORS, Vendor, vendor_at
from server.backends.hosted.wire import Asked, Wire
from server.config import HostedRoute, OpenAIRoute, VendorName, key_variable

_WIRES: Final[Mapping[str, Wire]] = {"openai": ChatCompletions(), "anthropic": Messages()}
_NAMES_AT_HOME: Final = (".localhost", ".local", ".lan", ".internal", ".home.arpa")


@dataclass(frozen=True, slots=True)
class Target:
    """Everything that a hosted route needs. `missing` says as a hint what the settings leave out; empty is complete.

    What may hold a secret, addresses included, is in no text of it.
    """

    name: str
    kind: Literal["openai", "anthropic"]
    wire: Wire
    urls: tuple[URL, ...] = field(repr=False)
    asked: Asked
    key: str = field(repr=False)
    key_in_body: Literal["auto"] | bool
    paid: bool
    near: bool
    missing: str

    @property
    def vendor(self) -> Vendor:
        """Who answers."""
        return self.asked.vendor

    @property
    def list_path(self) -> str:
        """Where the models are listed, below the base address."""
        return self.vendor.list_path if self.kind == "openai" else "models"


def resolve(name: str, route: HostedRoute) -> Target:
    """The target of the route called `name`."""
    key = route.api_key.get_secret_value().strip() if route.api_key else ""
    urls = _urls(route, key)
    vendor_name, vendor = _vendor(route, urls)
    near = vendor.local or all(is_near(url.host or "") for url in urls)
    asked = Asked(model_id(route.model, vendor_name), vendor)
    if isinstance(route, OpenAIRoute):
        fallbacks = tuple(model_id(each, vendor_name) for each in route.fallback_models)
        asked = Asked(asked.model, vendor, fallbacks, route.provider)
    return Target(
        name=name,
        kind=route.kind,
        wire=_WIRES[route.kind],
        urls=urls,
        asked=asked,
        key=key,
        key_in_body=("auto" if vendor.key_in_body else False) if route.key_in_body == "auto" else route.key_in_body,
        paid=not near if route.paid == "auto" else route.paid,
        near=near,
        missing=_missing(f"routes.{name}", route, vendor, urls, key, near),
    )


def is_near(host: str) -> bool:
    """True where `host` is this machine or one of the same house, by its address or its name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith(_NAMES_AT_HOME)
    return address.is_private or address.is_loopback or address.is_link_local


def _urls(route: HostedRoute, key: str) -> tuple[URL, ...]:
    given = [route.base_url] if isinstance(route.base_url, str) else list(route.base_url)
    addresses = [address for address in given if address.strip()]
    if not addresses and route.vendor:
        vendor = VENDORS[route.vendor]
        own = vendor.openai if route.kind == "openai" else vendor.anthropic
        addresses = [own] if own else []
    parsed = (_parsed(address) for address in addresses)
    # One request carries one credential, and the key is the newer word.
    return tuple(url.with_user(None) if key and url.host else url for url in parsed)


def _parsed(address: str) -> URL:
    try:
        return URL(address.strip().rstrip("/"))
    except ValueError:
        return URL()


def _vendor(route: HostedRoute, urls: tuple[URL, ...]) -> tuple[VendorName | None, Vendor]:
    """The vendor that the route names, or whose address it has."""
    if route.vendor:
        return route.vendor, VENDORS[route.vendor]
    found = next((vendor for url in urls if (vendor := vendor_at(url.host or ""))), None)
    name = next((name for name, vendor in VENDORS.items() if vendor is found), None)
    return name, found or ANY_URL


def _missing(key_of: str, route: HostedRoute, vendor: Vendor, urls: tuple[URL, ...], key: str, near: bool) -> str:
    if not urls and route.vendor:
        other = "openai" if vendor.openai else "anthropic"
        return f"set {key_of}.kind to {other}: {vendor.title} does not speak {route.kind}"
    if not urls or not all(url.scheme in ("http", "https") and url.host for url in urls):
        return f"set {key_of}.base_url to an http or https address, most often one that ends in /v1"
    if not route.model.strip():
        return f"set {key_of}.model to a model that the server has"
    if not key and not near:
        if route.vendor:
            return f"set {key_variable(route.vendor)} in the environment, or {key_of}.api_key, to your key"
        variable = key_variable(key_of.removeprefix("routes."))
        return f'set {variable} in the environment to your key, and {key_of}.api_key to "${{{variable}}}"'
    if not (key.isascii() and key.isprintable()):
        return f"{key_of}.api_key holds characters that no key has: copy it again"
    return ""
