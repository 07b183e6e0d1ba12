"""The version, in one place."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("barkeep")
except PackageNotFoundError:  # run from a checkout that was never installed
    VERSION = "0.1.0.dev0"
