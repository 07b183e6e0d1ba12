"""Every error Barkeep raises on purpose.

BarkeepError
├── YamlError              a YAML file cannot be read; knows file and line
├── ConfigError            config.yaml, the environment or --set say something impossible
├── PersonaError           a persona file cannot be used
│   └── CardError          a character card or a lorebook cannot be read, or not be written
├── ModError               a mod cannot be loaded, or one of its hooks failed
├── ModelFileError         a GGUF is missing, broken or of an unknown template
├── BudgetError            what a prompt must hold is larger than its budget
├── StoreError             the database cannot be used
│   ├── DataDirLocked      another process holds data_dir
│   ├── SchemaTooNew       a newer Barkeep wrote this database
│   ├── UnknownSave        a load names a save that was never marked
│   └── ArchiveError       a file with memory cannot be written, or not be read in
├── ProtocolError          a client's message cannot be done; `code` goes on the wire
├── ApiError               a request to the HTTP API cannot be done; knows its HTTP status
└── RouteError             a route could not answer; `outcome` goes into turn.end
├── RouteUnavailable   nothing to ask: no model, no key, worker down
├── RouteTimeout       too late: first text, a gap, or the whole turn
├── RouteRejected      the route says no, and will again: bad key, no credit, unknown model
├── RouteBusy          the route says later; `retry_after_s` where it said when
├── RouteBroken        the answer cannot be used: dropped, garbled, 5xx, crashed
├── RouteEmpty         it ended without a useful word
├── RouteFiltered      a content filter withheld the answer: other words may pass, another route may be milder
└── ContextOverflow    the prompt is larger than the route's context
"""

from __future__ import annotations


class BarkeepError(Exception):
    """An error with a message for people and a hint on what to do about it."""

    code = "internal"
    retryable = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class YamlError(BarkeepError):
    """A YAML text cannot be read. `source` says where it came from; `line` counts from 1, 0 is unknown."""

    code = "bad_yaml"

    def __init__(self, source: str, line: int, problem: str, hint: str = "") -> None:
        place = f"{source}:{line}" if line else source
        super().__init__(f"{place}: {problem}", hint)
        self.source = source
        self.line = line
        self.problem = problem


class ConfigError(BarkeepError):
    """The configuration cannot be used; the hint names the nearest valid key or value."""

    code = "bad_config"


class PersonaError(BarkeepError):
    """A persona cannot be used; the message says file, line and field."""

    code = "bad_persona"


class CardError(PersonaError):
    """A character card or a lorebook is damaged, hostile or of another kind; or it cannot be written as asked."""

    code = "bad_card"


class ModError(BarkeepError):
    """A mod cannot be loaded or one of its hooks failed; the rest goes on without it."""

    code = "bad_mod"


class ModelFileError(BarkeepError):
    """A model file cannot be used."""

    code = "bad_model_file"


class BudgetError(BarkeepError):
    """The blocks that may never be dropped are larger than the prompt's budget."""

    code = "over_budget"


class StoreError(BarkeepError):
    """The database cannot be used."""

    code = "store"


class DataDirLocked(StoreError):
    """Another process holds the data folder; the message says which."""

    code = "data_dir_locked"


class SchemaTooNew(StoreError):
    """The database was written by a newer version."""

    code = "schema_too_new"


class UnknownSave(StoreError):
    """A load names a save that this world never marked."""

    code = "unknown_save"


class ArchiveError(StoreError):
    """A file with the memory of a world or an NPC cannot be made, or cannot be taken in; nothing was changed."""

    code = "bad_archive"


class ProtocolError(BarkeepError):
    """A client's message cannot be done. `code` is one of the codes in `server.protocol.codes`.

    `re` is the client's own id of that message, where it could be read.
    """

    def __init__(
        self, code: str, message: str, hint: str = "", *, retryable: bool = False, re: str | None = None
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        self.retryable = retryable
        self.re = re


class ApiError(BarkeepError):
    """A request to the HTTP API cannot be done as it was asked. `param` names the field that is to blame, if one is."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        code: str = "invalid_request",
        status: int = 400,
        param: str | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        self.status = status
        self.param = param


class RouteError(BarkeepError):
    """A route could not answer. `outcome` is the word for it in `turn.end`.

    `usual_hint` is the hint where whoever raises it knows no better one.
    """

    code = "route"
    outcome = "failed"
    retryable = True
    usual_hint = "the log says more; if this stays, take the route out of `dialogue.order`"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint or self.usual_hint)


class RouteUnavailable(RouteError):
    """There is nothing to ask: no model file, no key, the worker is down."""

    outcome = "unavailable"
    usual_hint = "`barkeep check` and `/health` say what the route needs"


class RouteTimeout(RouteError):
    """The route was too late. `which` is `first_text`, `gap` or `turn`."""

    usual_hint = "if this stays, choose a smaller or faster model; `dialogue` in config.yaml says how long is waited"

    def __init__(self, which: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.which = which

    @property
    def outcome(self) -> str:  # type: ignore[override]  # a timeout's outcome depends on which clock ran out
        """`timeout_first_text`, `timeout_gap` or `timeout_turn`."""
        return f"timeout_{self.which}"


class RouteRejected(RouteError):
    """The route refuses and will refuse again: bad key, no credit, unknown model, bad request."""

    outcome = "rejected"
    retryable = False
    usual_hint = "check `base_url`, `model` and `api_key` of the route"

    def __init__(self, message: str, hint: str = "", *, status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


class RouteBusy(RouteError):
    """The route asks for patience. `retry_after_s` is None where it did not say how much."""

    outcome = "busy"
    usual_hint = "it will answer again later; `dialogue.order` may name another route meanwhile"

    def __init__(self, message: str, hint: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class RouteBroken(RouteError):
    """The answer cannot be used: dropped, garbled, a server error, a crashed worker."""

    outcome = "broken"
    usual_hint = "if this stays, look at the provider's status page, or at the log of a server of your own"


class RouteEmpty(RouteError):
    """The route ended without one useful word."""

    outcome = "empty"
    usual_hint = "if this stays, choose another `model` for the route"


class ContextOverflow(RouteError):
    """The prompt is larger than the route's context."""

    outcome = "context_overflow"
    retryable = False
    usual_hint = "lower `budget.prompt_tokens`, or `budget.hosted.prompt_tokens` for a hosted route"


class RouteFiltered(RouteError):
    """A content filter of the provider refused the prompt or withheld the answer; the route itself is well."""

    outcome = "filtered"
    retryable = False
    usual_hint = "another route may be milder"
