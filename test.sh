#!/bin/sh
# Sets Barkeep up with all that its tests need, and runs them: ./test.sh -k timeline. See bootstrap.py.
# ./test.sh faults runs a hosted route against a server that fails in every way, and prints who answered, and when.
# ./test.sh memory runs the long form of what is tested about memory: 1,000 random lives, and kill -9 in 500 turns.
# ./test.sh cards looks at 10,000 broken character cards and lorebooks, and prints what they took.
# ./test.sh frontends gets SillyTavern from npm, once, and drives its server and its page against a running Barkeep.
# ./test.sh bench [arguments of `barkeep bench engine`] measures the local engine instead, on a model made for it.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
for python in "$here/.venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$python" -ISc 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        if [ "${1:-}" = bench ]; then
            shift
            "$python" "$here/bootstrap.py" test --version >&2 || exit
            set -- bench engine --model "$here/build/lfm2-350m-q4_k_m.gguf" --make 350M "$@"
            exec "$python" "$here/bootstrap.py" start "$@"
        fi
        if [ "${1:-}" = faults ]; then
            shift
            set -- "$here/tests/faults" "$@"
        fi
        if [ "${1:-}" = memory ]; then
            shift
            export BARKEEP_TEST_PROGRAMS="${BARKEEP_TEST_PROGRAMS:-1000}" BARKEEP_TEST_TURNS="${BARKEEP_TEST_TURNS:-500}"
            set -- tests/properties/test_lived.py tests/properties/test_memory_programs.py tests/journeys/test_kill.py "$@"
        fi
        if [ "${1:-}" = frontends ]; then
            shift
            "$python" "$here/tests/frontends/install.py" || exit
            set -- "$here/tests/frontends" -rs -n 0 "$@"
        fi
        if [ "${1:-}" = cards ]; then
            shift
            export BARKEEP_TEST_MUTANTS="${BARKEEP_TEST_MUTANTS:-10000}"
            set -- tests/personas/cards tests/personas/books "$@"
        fi
        exec "$python" "$here/bootstrap.py" test "$@"
    fi
done
echo "Barkeep needs Python 3.11 or newer, and found none on PATH. Get one from python.org or your package manager." >&2
exit 1
