from pathlib import Path

import pytest
from pydantic import TypeAdapter

from server.backends.registry import Dependencies, make
from server.config import RouteSettings

SETTINGS: TypeAdapter[RouteSettings] = TypeAdapter(RouteSettings)


@pytest.mark.parametrize(
    ("fields", "hosted", "generating"),
    [
        ({"kind": "llama"}, False, True),
        ({"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}, True, True),
        ({"kind": "authored"}, False, False),
        ({"kind": "scripted"}, False, True),
    ],
)
async def test_every_kind_of_route_has_its_backend(
    fields: dict[str, str], hosted: bool, generating: bool, tmp_path: Path
):
    backend = make("mine", SETTINGS.validate_python(fields), deps=Dependencies(tmp_path))
    assert (backend.name, backend.kind) == ("mine", fields["kind"])
    assert (backend.hosted, backend.generating) == (hosted, generating)
    assert (backend.state().name, backend.state().kind) == ("mine", fields["kind"])
    await backend.close()
