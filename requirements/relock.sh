#!/bin/sh
# Makes the three lock files from pyproject.toml. Run it from a set-up checkout after a change there:
#   requirements/relock.sh             keeps every pin that still fits
#   requirements/relock.sh --upgrade   takes the newest of everything
# dev.lock is resolved first, as the whole of everything; the two smaller locks are held to its pins, so that no
# lock undoes another. llama-cpp-python is left out of dev.lock: bootstrap.py builds it from local.lock alone.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
lock() {
    "$uv" pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-annotate \
        --custom-compile-command "requirements/relock.sh" "$@"
}
lock pyproject.toml --group dev --extra local --no-emit-package llama-cpp-python -o requirements/dev.lock "$@"
lock pyproject.toml --constraint requirements/dev.lock -o requirements/base.lock "$@"
echo "llama-cpp-python==$(sed -n 's/^local = \["llama-cpp-python==\(.*\)"\]$/\1/p' pyproject.toml)" |
    lock - --constraint requirements/dev.lock -o requirements/local.lock "$@"
