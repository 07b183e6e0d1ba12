"""Who may come in: the rules about Host, Origin, token and content type that hold at every door.

A server on loopback is reachable from every web page the player opens. Three rules keep such pages out: the Host must
be one of ours (a rebound DNS name is not; answered 421, RFC 9110 §15.5.20), the Origin must be absent (native clients
send none), our own or allowed (cross-site WebSocket hijacking), and a request that changes something must carry a
content type that no plain HTML form can send (CSRF).
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import hdrs, web
from pydantic import SecretStr

from server.config import ServerSettings
from server.errors import ConfigError
from server.gateway.answers import problem
from server.gateway.cards import CONTENT_TYPES as CARD_TYPES
from server.gateway.deps import DEPS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
TOKEN_PROTOCOL = "barkeep.token."
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CONTENT_TYPES = CARD_TYPES | {"application/json", "application/msgpack", "application/vnd.msgpack"}
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "barkeep",
}

MAX_ASKED_HEADERS = 64
_HEADER = re.compile(r"^[A-Za-z0-9-]{1,64}$")
_HOST = re.compile(r"^(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[^\[\]:/@\s]+))(?::(?P<port>\d{1,5}))?$")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request does not come in. `reason` is the word for the metrics."""

    reason: str
    status: int
    message: str
    hint: str

    def response(self) -> web.Response:
        """The refusal as an HTTP answer."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else None
        response = problem(self.status, f"bad_{self.reason}", self.message, self.hint, headers)
        response.force_close()
        return response


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach a server bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def split_host(value: str) -> tuple[str, int | None] | None:
    """A Host header as (lower-case name or address without brackets, port); None if it is not one."""
    match = _HOST.match(value.strip())
    if match is None:
        return None
    port = match["port"]
    return (match["v6"] or match["name"]).lower(), int(port) if port else None


class Guard:
    """The rules of one server, from its settings.

    Raises:
        ConfigError: `allowed_hosts` holds what is no host.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._hosts = LOOPBACK_NAMES | {settings.host.lower()} | {_host_name(name) for name in settings.allowed_hosts}
        self._origins = frozenset(origin.lower().rstrip("/") for origin in settings.allowed_origins)
        self._token = _secret(settings.token)

    @property
    def wants_token(self) -> bool:
        """Whether clients must show a token. An empty token in the configuration counts as none."""
        return bool(self._token)

    def accepts_token(self, token: str | None) -> bool:
        """Whether this token opens the door; takes the same time for every wrong token of one length."""
        if not self._token:
            return True
        shown = (token or "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(shown, self._token)

    def check(self, request: web.Request) -> Refusal | None:
        """The first rule that this request breaks; a missing token is left to the door (`is_trusted`)."""
        return self._check_host(request) or self._check_origin(request) or self._check_token(request)

    def is_trusted(self, request: web.Request) -> bool:
        """Whether the request itself shows the token, or none is wanted."""
        return not self._token or any(self.accepts_token(token) for token in _shown_tokens(request))

    def foreign_origin(self, request: web.Request) -> str | None:
        """The request's Origin where it is an allowed one that is not our own: its page may read our answers."""
        origin = request.headers.get(hdrs.ORIGIN)
        return origin if origin is not None and origin.lower() in self._origins else None

    def _check_host(self, request: web.Request) -> Refusal | None:
        values = request.headers.getall(hdrs.HOST, [])
        parsed = split_host(values[0]) if len(values) == 1 else None
        if parsed is not None and (parsed[0] in self._hosts or parsed[0] == _local_address(request)):
            return None
        hint = "Connect by an address of this server, or add the name to server.allowed_hosts."
        return Refusal("host", 421, "This server does not answer to that host name.", hint)

    def _check_origin(self, request: web.Request) -> Refusal | None:
        values = [value.lower() for value in request.headers.getall(hdrs.ORIGIN, [])]
        if not values or (len(values) == 1 and (values[0] in self._origins or self._is_own(values[0], request))):
            return None
        hint = "Add the page's origin to server.allowed_origins if it may talk to your NPCs."
        return Refusal("origin", 403, "Web pages of this origin may not use this server.", hint)

    def _is_own(self, origin: str, request: web.Request) -> bool:
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https"):
            return False
        if host == request.headers[hdrs.HOST].strip().lower():
            return True
        parsed = split_host(host)
        return parsed is not None and parsed[0] in self._hosts and parsed[1] == _local_port(request)

    def _check_token(self, request: web.Request) -> Refusal | None:
        if not self._token or all(self.accepts_token(token) for token in _shown_tokens(request)):
            return None
        return Refusal("token", 401, "That token is wrong.", "Use the token from server.token in config.yaml.")


MISSING_TOKEN = Refusal(
    "token", 401, "This server wants a token.", "Send server.token as 'Authorization: Bearer <token>'."
)
GUARD = web.AppKey("guard", Guard)
OPEN_DOORS = frozenset({"/health", "/v1/ws"})
"""Doors that look at a missing token themselves: `/health` says less, `/v1/ws` waits for `hello.token`."""


@web.middleware
async def guard_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep out what breaks a rule, at every door and before anything else looks at the request."""
    guard = request.app[GUARD]
    refusal = guard.check(request)
    if refusal is None and request.method == "OPTIONS" and guard.foreign_origin(request) is not None:
        return _preflight(request)
    if refusal is None and request.path not in OPEN_DOORS and not guard.is_trusted(request):
        refusal = MISSING_TOKEN
    if refusal is None and request.method not in SAFE_METHODS and not _has_safe_content(request):
        hint = "Send application/json or application/vnd.msgpack."
        refusal = Refusal("content_type", 415, "This content type is not accepted.", hint)
    if refusal is not None:
        request.app[DEPS].metrics.refused(refusal.reason)
        return refusal.response()
    return await handler(request)


def _has_safe_content(request: web.Request) -> bool:
    """Whether no plain HTML form can have sent this: a form's body always says its type."""
    is_empty = hdrs.CONTENT_TYPE not in request.headers and not request.can_read_body
    return is_empty or request.content_type in CONTENT_TYPES


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every answer, and the CORS ones where an allowed page asks."""
    response.headers.update(SECURITY_HEADERS)
    origin = request.app[GUARD].foreign_origin(request)
    if origin is not None:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.VARY] = hdrs.ORIGIN


def offered_protocols(request: web.Request) -> list[str]:
    """The websocket subprotocols that the client offers."""
    values = request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _preflight(request: web.Request) -> web.Response:
    """What an allowed page may send. SDKs add headers of their own, so those that it asks for are allowed."""
    asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
    wanted = ", ".join(name.strip() for name in asked.split(",")[:MAX_ASKED_HEADERS] if _HEADER.match(name.strip()))
    headers = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: wanted or "Authorization, Content-Type",
        hdrs.ACCESS_CONTROL_MAX_AGE: "600",
        "Access-Control-Allow-Private-Network": "true",
    }
    return web.Response(status=204, headers=headers)


def _shown_tokens(request: web.Request) -> list[str]:
    shown = []
    for value in request.headers.getall(hdrs.AUTHORIZATION, []):
        scheme, _, token = value.partition(" ")
        shown.append(token.strip() if scheme.lower() == "bearer" else "")
    shown += [token.strip() for token in request.headers.getall("X-API-Key", [])]
    offered = offered_protocols(request)
    return shown + [name.removeprefix(TOKEN_PROTOCOL) for name in offered if name.startswith(TOKEN_PROTOCOL)]


def _local_address(request: web.Request) -> str | None:
    """The address at which the client reached us; a rebound name can never be spelt like it."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return str(name[0]) if name else None


def _local_port(request: web.Request) -> int | None:
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return int(name[1]) if name else None


def _host_name(value: str) -> str:
    """A configured host without its port; an IPv6 address may stand without brackets."""
    parsed = split_host(value) or split_host(f"[{value}]")
    if parsed is None:
        hint = "Write a name or an address, without http:// and without a path."
        raise ConfigError(f"server.allowed_hosts: {value!r} is not a host.", hint)
    return parsed[0]


def _secret(token: SecretStr | None) -> bytes:
    return token.get_secret_value().encode() if token is not None else b""
