"""Fetching a model from the Hugging Face hub, or from the mirror that `HF_ENDPOINT` names.

`huggingface_hub` knows the hub's addresses, headers, redirects and retries. Its own `hf_hub_download` throws a partial
file away when the process ends; a gigabyte is worth keeping, so the partial file, its resumption and check are here.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx2  # the client that huggingface_hub speaks HTTP with; its errors come through as they are
from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, without `__all__`
from huggingface_hub.utils.tqdm import silent_tqdm

import server
from server.backends.llama.catalogue import licence_note
from server.backends.llama.store import model_path
from server.errors import ModelFileError

_SPARE_BYTES = 100_000_000
_METADATA_S = 20.0
_AGENT = "barkeep"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def pull(repo: str, file: str, model_dir: Path, *, progress: bool = True, tell: Callable[[str], None] = print) -> Path:
    """Fetch `file` of `repo` into `model_dir`; return where it lies. A file that is there and whole is left alone.

    Blocks for as long as it takes. What was fetched of an interrupted pull is kept and continued. `progress` shows a
    bar where stderr is a terminal; `tell` gets the licence of the weights and what is being done, a line at a time.

    Raises:
        ModelFileError: no connection, no such file, no room, or what came is not what the hub announced.
    """
    endpoint = os.environ.get("HF_ENDPOINT") or None
    if note := licence_note(repo):
        tell(note)
    try:
        return _pull(repo, file, model_path(file, model_dir), endpoint, progress=progress, tell=tell)
    except HFValidationError as error:
        raise ModelFileError(f"{repo} cannot be the name of a repository.", "It is `owner/name`.") from error
    except HfHubHTTPError as error:
        raise _answered(error.response.status_code, repo, file) from error
    except httpx2.HTTPError as error:
        raise ModelFileError(
            f"The hub cannot be reached: {error}.",
            "Check the connection, or set HF_ENDPOINT to a mirror; what came is kept. A GGUF fetched by any other way "
            f"works as well: put it into {model_dir}, or name it by `path`.",
        ) from error
    except OSError as error:
        raise ModelFileError(
            f"The model cannot be stored or fetched: {error}.", "What came is kept; pull again."
        ) from error


def _pull(
    repo: str, file: str, target: Path, endpoint: str | None, *, progress: bool, tell: Callable[[str], None]
) -> Path:
    url = hf_hub_url(repo, file, endpoint=endpoint)
    metadata = get_hf_file_metadata(
        url, timeout=_METADATA_S, library_name=_AGENT, library_version=server.__version__, endpoint=endpoint
    )
    size, digest = metadata.size, metadata.etag or ""
    if size is None or not _SHA256.fullmatch(digest):
        raise ModelFileError(
            f"The hub does not say the size and SHA-256 of {repo}/{file}.",
            "Only files in large-file storage can be pulled.",
        )
    if target.is_file() and target.stat().st_size == size and _sha256(target) == digest:
        tell(f"{target} is there and whole.")
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{digest[:12]}.part")
    for outdated in set(target.parent.glob(f"{glob.escape(target.name)}.*.part")) - {part}:
        outdated.unlink()
    have = min(part.stat().st_size, size) if part.is_file() else 0
    _check_room(target.parent, size - have)
    tell(f"{'Continuing' if have else 'Fetching'} {file} ({size / 1e9:.2f} GB) into {target.parent}")
    with part.open("ab") as stream:
        stream.truncate(have)
        http_get(
            url,  # not its redirection: the client drops a token where a redirection leaves the hub
            stream,
            resume_size=have,
            headers=build_hf_headers(library_name=_AGENT, library_version=server.__version__),
            expected_size=size,
            displayed_filename=target.name,
            tqdm_class=None if progress else silent_tqdm,
        )
    if _sha256(part) != digest:
        part.unlink()
        raise ModelFileError(f"What came as {file} is not what the hub announced.", "It was thrown away; pull again.")
    part.replace(target)
    return target


def _answered(status: int, repo: str, file: str) -> ModelFileError:
    # The hub answers 401 for a repository that does not exist, too: it may be a closed one.
    if status in (401, 403, 404):
        return ModelFileError(
            f"The hub has no file {file} in {repo}, or does not show it.",
            "Check `model` and `file` of the route; for a closed repository set HF_TOKEN.",
        )
    return ModelFileError(f"The hub answered {status} for {repo}/{file}.", "Try again later; what came is kept.")


def _check_room(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + _SPARE_BYTES:
        raise ModelFileError(
            f"{folder} has {free / 1e9:.2f} GB free, and {needed_bytes / 1e9:.2f} GB are still to come.",
            "Free some room, or set `data_dir` to another disk.",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
