"""`barkeep bench`: how fast the server, its routes and the local engine are, and models to measure with."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from server.cli import bench_lore

TURNS = 400
CALLS = 1_000
SECONDS = 20.0


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure the server and the local engine",
        description="Measure what the server adds to a turn, and what the local engine makes of one.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_server(commands)
    _add_route(commands)
    _add_engine(commands)
    _add_memory(commands)
    bench_lore.add(commands)
    _add_house(commands)
    _add_make_model(commands)


def _add_server(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    server = commands.add_parser(
        "server",
        help="milliseconds from `say` to the backend, and from its token to the client",
        description="Run turns on a scripted backend without delay, over real websockets on this machine, and show the "
        "time that the server adds: from a `say` received to the backend's request, and from a token to its frame.",
    )
    server.add_argument(
        "--clients", type=_count, nargs="+", default=[1, 100], metavar="N", help="clients at once (default: 1 100)"
    )
    server.add_argument(
        "--turns", type=_count, default=TURNS, metavar="N", help=f"turns of each client at most (default: {TURNS})"
    )
    server.add_argument(
        "--seconds",
        type=_seconds,
        default=SECONDS,
        metavar="S",
        help=f"how long each number of clients talks at most, warm-up apart (default: {SECONDS:g})",
    )
    server.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")
    server.set_defaults(run=run_server)


def _add_route(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    route = commands.add_parser(
        "route",
        help="milliseconds that a hosted route adds to a call",
        description="Call a server on this machine that answers at once, directly with aiohttp and through the router "
        "and its hosted route, and show what that adds; with --litellm, LiteLLM's proxy makes the same calls beside "
        "it. Let nothing else run meanwhile.",
    )
    route.add_argument(
        "--at-once", type=_count, nargs="+", default=[1, 50], metavar="N", help="calls at once (default: 1 50)"
    )
    route.add_argument(
        "--calls", type=_count, default=CALLS, metavar="N", help=f"calls of each, at least (default: {CALLS})"
    )
    route.add_argument(
        "--litellm",
        type=Path,
        metavar="COMMAND",
        help="the `litellm` of an environment with litellm[proxy]; it is started on a free port, and ended",
    )
    route.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")
    route.set_defaults(run=run_route)


def _add_engine(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from server.bench.engine.setup import KEYS
    from server.bench.model.shape import SHAPES

    engine = commands.add_parser(
        "engine",
        help="the local engine beside llama-cpp-python, and beside any server on the same file",
        description="Let the local engine, llama-cpp-python's own `Llama` and, with --peer, an OpenAI-compatible "
        "server play the same talks on the same file in one run, and show how long a player waits for the first "
        "token, what was evaluated for it, and the least that llama.cpp alone takes. Let nothing else run meanwhile.",
        epilog="Without weights: barkeep bench engine --model build/lfm2.gguf --make 350M",
    )
    engine.add_argument("--model", type=Path, required=True, metavar="PATH", help="the GGUF to measure with")
    engine.add_argument(
        "--make", choices=list(SHAPES), help="where that file is not there, make one of this shape first"
    )
    engine.add_argument(
        "--npcs", type=_count, nargs="+", default=[8, 32], metavar="N", help="NPCs that take turns (default: 8 32)"
    )
    engine.add_argument("--turns", type=_count, default=12, metavar="N", help="turns of each row (default: 12)")
    engine.add_argument("--threads", type=_count, metavar="N", help="threads (default: performance cores)")
    engine.add_argument("--gpu-layers", type=int, default=0, metavar="N", help="layers on the GPU (default: 0)")
    engine.add_argument(
        "--context", type=_count, default=16_384, metavar="N", help="tokens of context (default: 16384)"
    )
    engine.add_argument(
        "--crowd", type=_whole, default=500, metavar="N", help="NPCs of the row on caps, 0 for none (default: 500)"
    )
    engine.add_argument(
        "--flash-attention", choices=("auto", "on", "off"), default="auto", help="of our engine alone (default: auto)"
    )
    engine.add_argument("--only", choices=KEYS, nargs="+", default=[], metavar="KEY", help=f"of {', '.join(KEYS)}")
    engine.add_argument("--peer", default="", metavar="URL", help="an OpenAI-compatible server on the same file")
    engine.add_argument(
        "--peer-python",
        type=Path,
        metavar="PATH",
        help="a Python with llama-cpp-python[server], whose server is started as the peer, and ended",
    )
    engine.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file as well")
    engine.add_argument("--quick", action="store_true", help="everything once, too small to judge by")
    engine.set_defaults(run=run_engine)


def _add_memory(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    memory = commands.add_parser(
        "memory",
        help="what is remembered in how many tokens, and how fast",
        description="Plant facts in made-up lives, ask for them, and show the share of questions whose evidence is "
        "recalled, beside simpler methods; then the time that recall and a whole prompt take in growing worlds.",
        epilog='A file for --input reads: {"dialogues": [{"id": "d1", "turns": [{"id": "D1:3", "speaker": '
        '"Ana", "text": "…", "time": 1683554000}], "questions": [{"id": "q1", "text": "…", '
        '"evidence": ["D1:3"], "kind": "temporal"}]}]}',
    )
    memory.add_argument("--input", type=Path, metavar="FILE", help="ask about the dialogues of this file instead")
    memory.add_argument("--json", type=Path, metavar="OUT", help="write every figure to this file as well")
    memory.add_argument(
        "--vocab", type=Path, metavar="GGUF", help="count tokens with this model (default: characters / 4)"
    )
    memory.add_argument(
        "--embeddings", type=Path, metavar="FOLDER", help="recall by meaning too, with this model of model2vec"
    )
    memory.add_argument(
        "--events",
        type=_whole,
        nargs="*",
        metavar="N",
        help="sizes of the worlds to time (default: 600 6000 10000 60000; none with --input; 600000 takes minutes)",
    )
    memory.add_argument("--lives", type=_count, default=10, metavar="N", help="made-up lives (default: 10)")
    memory.add_argument("--seed", type=_whole, default=0, metavar="N", help="other lives (default: 0)")
    memory.set_defaults(run=run_memory)


def _add_house(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    house = commands.add_parser(
        "house",
        help="what the house model gets right, how varied it is, and how fast",
        description="Ask a small model that training/ made some 2,000 questions through the server's own prompt and "
        "engine, and show the share that it answers as it should. Takes some minutes.",
    )
    house.add_argument("--model", type=Path, metavar="PATH", help="its GGUF (default: the one that ships)")
    house.add_argument("--npc", default="hilda", metavar="ID", help="who is greeted and timed (default: hilda)")
    house.add_argument("--most", type=_count, metavar="N", help="so many prompts of each kind at most")
    house.add_argument("--only", nargs="+", default=[], metavar="KIND", help="prompts of these kinds alone")
    house.add_argument("--seed", type=_whole, default=1, metavar="N", help="other draws (default: 1)")
    house.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures, and every wrong reply, to this file"
    )
    house.set_defaults(run=run_house)


def _add_make_model(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from server.bench.model.make import QUANTS
    from server.bench.model.shape import SHAPES

    make = commands.add_parser(
        "make-model",
        help="write a random-weight LFM2 of true shape to measure with",
        description="Write a GGUF of LFM2's true shape with random weights: it says noise at the speed of the real "
        "one. The 2.6B shape takes some 2 minutes on two cores, and 7 GB of disk meanwhile.",
    )
    make.add_argument("path", type=Path, metavar="PATH", help="the file to write")
    make.add_argument("--shape", choices=list(SHAPES), default="350M", help="which LFM2 (default: 350M)")
    make.add_argument("--quant", choices=QUANTS, default=QUANTS[0], help=f"its weights (default: {QUANTS[0]})")
    make.add_argument("--seed", type=_whole, default=0, metavar="N", help="another model of that shape (default: 0)")
    make.add_argument("--threads", type=_count, metavar="N", help="threads that quantise (default: all)")
    make.set_defaults(run=run_make_model)


def run_server(args: argparse.Namespace) -> int:
    """Measure, print the table, and write the file."""
    from server.bench.load import load_of
    from server.bench.report import as_json, as_table
    from server.bench.server_bench import run
    from server.cli.settings import load_settings
    from server.config import LogSettings
    from server.log import configure

    settings = load_settings(args)
    configure(LogSettings(level="warning"))
    found = run(settings, [load_of(clients, args.turns, args.seconds) for clients in args.clients])
    print(as_table(found))
    _write(args.json, as_json(found))
    return 0


def run_route(args: argparse.Namespace) -> int:
    """Measure, print the table, and write the file."""
    import asyncio

    from server.bench.route.report import as_json, as_table
    from server.bench.route.run import Setup, measure
    from server.config import LogSettings
    from server.log import configure

    configure(LogSettings(level="error"))
    found = asyncio.run(measure(Setup(tuple(args.at_once), args.calls, args.litellm)))
    print(as_table(found))
    _write(args.json, as_json(found))
    return 0


def run_engine(args: argparse.Namespace) -> int:
    """Measure, print the table, and write the file."""
    from server.backends.llama.gguf_file import read_model_file
    from server.backends.llama.threads import performance_cores
    from server.bench.engine.report import as_json, as_table
    from server.bench.engine.run import run
    from server.bench.engine.setup import Setup, quick
    from server.bench.model.make import QUANTS, make_model
    from server.bench.model.shape import SHAPES
    from server.config import LogSettings
    from server.log import configure

    configure(LogSettings(level="warning"))
    model = args.model.resolve()
    if args.make and not model.exists():
        model.parent.mkdir(parents=True, exist_ok=True)
        make_model(model, SHAPES[args.make], QUANTS[0])
    context = min(args.context, read_model_file(model).context)
    threads = args.threads or performance_cores()
    setup = (
        quick(model, threads, args.peer, args.peer_python, tuple(args.only))
        if args.quick
        else Setup(
            model=model,
            threads=threads,
            npcs=tuple(args.npcs),
            turns=args.turns,
            context=context,
            gpu_layers=args.gpu_layers,
            flash_attention=args.flash_attention,
            peer=args.peer,
            peer_python=args.peer_python,
            crowd=args.crowd,
            only=tuple(args.only),
        )
    )
    results = run(setup)
    print(as_table(setup, results))
    _write(args.json, as_json(setup, results))
    return 0


def run_memory(args: argparse.Namespace) -> int:
    """Measure, print the tables, and write the file."""
    import asyncio

    from server.bench.memory.dialogues import read, without_evidence
    from server.bench.memory.report import as_json, as_table
    from server.bench.memory.run import lives, run
    from server.bench.memory.score import by_characters

    count = by_characters
    if args.vocab is not None:
        from server.backends.llama.vocab import Vocabulary

        count = Vocabulary.load(args.vocab).count
    dialogues = read(args.input) if args.input is not None else lives(args.lives, args.seed)
    events = args.events
    if events is None:
        events = [] if args.input is not None else [600, 6_000, 10_000, 60_000]
    embedder = None
    if args.embeddings is not None:
        from server.memory.embedding import open_embedder

        embedder = open_embedder(args.embeddings)
    if unanswerable := without_evidence(dialogues):
        print(f"{unanswerable} questions have no evidence among their turns; all methods miss them", file=sys.stderr)
    found = asyncio.run(run(dialogues, count, tuple(number for number in events if number), embedder))
    print(as_table(found))
    _write(args.json, as_json(found))
    return 0


def run_house(args: argparse.Namespace) -> int:
    """Ask, print the table, and write the file."""
    import asyncio

    from server.backends.llama.store import HOUSE_FILE
    from server.bench.house.report import as_json, as_table
    from server.bench.house.run import run
    from server.cli.settings import load_settings
    from server.config import LogSettings
    from server.errors import ConfigError, ModelFileError
    from server.log import configure
    from server.personas.library import PersonaLibrary

    path: Path = args.model or HOUSE_FILE
    if not path.is_file():
        raise ModelFileError(
            f"There is no model at {path}.", "Make one as training/README.md says, and name it: --model PATH."
        )
    settings = load_settings(args)
    configure(LogSettings(level="warning"))
    library = PersonaLibrary(settings.personas)
    library.load()
    persona = library.get(args.npc)
    if persona is None:
        raise ConfigError(f"there is no NPC {args.npc!r}", f"one of {', '.join(library.ids())}")
    found = asyncio.run(run(path, persona, seed=args.seed, only=args.only, most=args.most, tell=_tell))
    print(as_table(found))
    _write(args.json, as_json(found))
    return 0


def run_make_model(args: argparse.Namespace) -> int:
    """Write the model and say where it is."""
    from server.bench.model.make import make_model
    from server.bench.model.shape import SHAPES

    path = make_model(args.path, SHAPES[args.shape], args.quant, seed=args.seed, threads=args.threads or 0)
    print(f"{path} is ready, {path.stat().st_size / 1e9:.2f} GB.")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _write(path: Path | None, text: str) -> None:
    from server.errors import BarkeepError

    if path is None:
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BarkeepError(f"{path} cannot be written: {error.strerror}", "name another file") from error
    print(f"wrote {path}", file=sys.stderr)


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is less than 0")
    return number


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return count


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds > 0):
        raise argparse.ArgumentTypeError("above 0")
    return seconds
