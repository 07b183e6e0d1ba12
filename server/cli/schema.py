"""`barkeep schema`: the protocol's machine-readable documents."""

from __future__ import annotations

import argparse
import json


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "schema",
        help="print the protocol as JSON Schema or AsyncAPI",
        description="Print a document that describes every message of the protocol; the server has both at /schema/.",
        epilog="Example: barkeep schema asyncapi > barkeep.asyncapi.json",
    )
    parser.add_argument("document", nargs="?", choices=("json-schema", "asyncapi"), default="json-schema")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the document."""
    from server.protocol.schema import asyncapi, json_schema

    document = asyncapi() if args.document == "asyncapi" else json_schema()
    print(json.dumps(document, indent=2, ensure_ascii=False))
    return 0
