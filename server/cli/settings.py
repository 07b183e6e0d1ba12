"""The settings of a command, and the log's knowledge of the secrets in them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.cli.defaults import find_config
from server.cli.options import config_of, sets_of

if TYPE_CHECKING:
    from server.config import Settings

SECRET_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Secrets that libraries read from the environment themselves."""


def load_settings(args: argparse.Namespace) -> Settings:
    """Settings from the file, the environment and `--set`; what is probably not meant is told on stderr.

    Every secret in them is registered with the log before anything can be logged.

    Raises:
        ConfigError: one of the three says something impossible.
    """
    from server import config_file
    from server.log import register_secret

    source = find_config(config_of(args), os.environ)
    loaded = config_file.read(source.path, source.env, sets_of(args), base=source.base)
    for secret in (*secrets_in(loaded.settings), *(os.environ.get(name, "") for name in SECRET_VARIABLES)):
        register_secret(secret)
    for warning in loaded.warnings:
        print(f"note: {warning}", file=sys.stderr)
    return loaded.settings


def model_dir(settings: Settings) -> Path:
    """Where `model pull` puts models, and the server looks for them."""
    return settings.data_dir / "models"


def secrets_in(value: Any) -> Iterator[str]:
    """Every secret anywhere in `value`, a pydantic model or what one is made of."""
    from pydantic import BaseModel, SecretStr

    match value:
        case SecretStr():
            yield value.get_secret_value()
        case BaseModel():
            for _, each in value:
                yield from secrets_in(each)
        case dict():
            for each in value.values():
                yield from secrets_in(each)
        case tuple() | list():
            for each in value:
                yield from secrets_in(each)
