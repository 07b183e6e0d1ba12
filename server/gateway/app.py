"""The doors as one aiohttp application."""

from __future__ import annotations

import json
import time

import structlog
from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from server.errors import BarkeepError
from server.gateway.answers import problem
from server.gateway.api.doors import add_api
from server.gateway.api.failures import refusal
from server.gateway.api.openapi import add_document
from server.gateway.cards import card_door
from server.gateway.deps import DEPS, GatewayDeps
from server.gateway.failures import where
from server.gateway.guard import GUARD, Guard, Handler, add_headers, guard_requests
from server.gateway.health import health_body
from server.gateway.tcp import meet_deadline
from server.gateway.websocket import CONNECTIONS, Connections, open_websocket
from server.protocol.schema import asyncapi, json_schema

MAX_BODY_BYTES = 8 << 20
"""Of a JSON body: clients send whole histories."""
_STARTED_AT = web.AppKey("started_at", float)
_log = structlog.get_logger(__name__)


def make_app(deps: GatewayDeps) -> web.Application:
    """The application with every route; `server.gateway.listener.listen` serves it."""
    app = web.Application(middlewares=[meet_deadline, answer_in_json, guard_requests], client_max_size=MAX_BODY_BYTES)
    app[DEPS] = deps
    app[GUARD] = Guard(deps.settings)
    app[CONNECTIONS] = Connections()
    app[_STARTED_AT] = time.monotonic()
    app.on_response_prepare.append(add_headers)
    deps.metrics.watch(deps.health)
    app.router.add_get("/v1/ws", open_websocket, allow_head=False)
    app.router.add_get("/health", show_health)
    app.router.add_get("/metrics", show_metrics)
    if deps.keep_card is not None:
        app.router.add_post("/v1/cards", card_door(deps.keep_card))
    if deps.completions is not None:
        add_api(app)
        add_document(app)
    _add_schemas(app)
    return app


@web.middleware
async def answer_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what goes wrong behind a door into JSON: the border behind which a failure costs this request alone."""
    try:
        return await handler(request)
    except web.HTTPException as exc:
        return _refusal(exc)
    except BarkeepError as exc:
        return refusal(exc)
    except ConnectionError:
        raise
    except web.RequestPayloadError:
        hint = "Check its compression and its length."
        response = problem(400, "broken_body", "The body cannot be read as it was sent.", hint)
        response.force_close()  # nobody knows where the next request begins
        return response
    except Exception as exc:
        _log.error("request_failed", error=where(exc))
        return problem(500, "internal", "The server made a mistake.", "Report it with the server's log.")


async def show_health(request: web.Request) -> web.StreamResponse:
    """How the server is. Whoever does not show a wanted token learns only that it is up."""
    deps = request.app[DEPS]
    if not request.app[GUARD].is_trusted(request):
        return web.json_response({"status": "ok"})
    return web.json_response(health_body(deps.health(), deps.version, time.monotonic() - request.app[_STARTED_AT]))


async def show_metrics(request: web.Request) -> web.StreamResponse:
    """Prometheus text, or OpenMetrics where the scraper asks for it."""
    encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
    return web.Response(body=encode(request.app[DEPS].metrics.registry), headers={hdrs.CONTENT_TYPE: content_type})


def _add_schemas(app: web.Application) -> None:
    """The documents cannot change while the program runs: they are made and encoded once."""
    documents = {"barkeep.schema.json": json_schema(), "asyncapi.json": asyncapi()}
    index = {"documents": [f"/schema/{name}" for name in documents]}
    for path, document in {"": index, **documents}.items():
        app.router.add_get(f"/schema/{path}", _serve_json(json.dumps(document).encode()))


def _serve_json(body: bytes) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return serve


def _refusal(exc: web.HTTPException) -> web.Response:
    match exc:
        case web.HTTPNotFound():
            hint = (
                "Games connect to /v1/ws; the HTTP API is under /v1, as /openapi.json tells; then /health and /metrics."
            )
            return problem(404, "unknown_path", "There is nothing at this address.", hint)
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(exc.allowed_methods))
            return problem(
                405, "bad_method", "This address does not take that method.", f"Use {allowed}.", {"Allow": allowed}
            )
        case web.HTTPRequestTimeout():
            response = problem(408, "slow_body", "The body did not come in time.", "Send it at once.")
            response.force_close()  # the rest of it is no request
            return response
        case web.HTTPRequestEntityTooLarge():
            hint = f"Send at most {MAX_BODY_BYTES >> 20} MiB."
            return problem(413, "too_large", "The body is too long.", hint)
        case _:
            return problem(exc.status, "bad_request", exc.reason, headers=None)
