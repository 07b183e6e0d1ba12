"""What a GGUF says of itself, read before llama.cpp touches it.

The layout is GGUF version 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): magic, version,
counts, key-value pairs, tensor descriptions, padding, tensor data. The file is hostile until it is through here: every
length is checked against the file's size, and every failure is a `ModelFileError`.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from server.errors import ModelFileError

IM_START = "<|im_start|>"
IM_END = "<|im_end|>"

_MAX_PAIRS = 10_000
_MAX_TENSORS = 100_000
_MAX_ELEMENTS = 4_000_000
_MAX_KEY_BYTES = 65_535
_MAX_KEPT_BYTES = 1_048_576
_MAX_ARRAY_BYTES = 67_108_864
_MAX_DIMENSIONS = 8
_MOST_LAYERS = 4_096
_KV_HEADS = ".attention.head_count_kv"
_CONTROL_TOKEN = 3

_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_SIZES = {kind: struct.calcsize(form) for kind, form in _NUMBERS.items()}

_BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    16: (256, 66),
    17: (256, 74),
    18: (256, 98),
    19: (256, 50),
    20: (32, 18),
    21: (256, 110),
    22: (256, 82),
    23: (256, 136),
    29: (256, 56),
    30: (1, 2),
    34: (256, 54),
    35: (256, 66),
    39: (32, 17),
}
"""Tensor type → values in a block, bytes of a block (ggml's type table). A type that is not here is taken as empty."""

_DOWNLOAD_AGAIN = "Download it again: `barkeep model pull` fetches a whole file and checks it."

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Dimensions:
    """What decides the memory of a context; 0 and empty where the file does not say.

    `kv_heads` has an entry for each layer, 0 for a layer without attention. `window` is what a convolution layer sees.
    """

    width: int = 0
    inner: int = 0
    kv_heads: tuple[int, ...] = ()
    key_width: int = 0
    value_width: int = 0
    window: int = 0
    vocabulary: int = 0


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A GGUF that Barkeep can talk to: ChatML, whole, readable.

    `context` is the longest the model was trained for, in tokens. `fingerprint` names its vocabulary: two files with
    the same tokens, token types, merges and special tokens share it, whatever their weights.
    """

    path: Path
    name: str
    architecture: str
    context: int
    im_start: int
    im_end: int
    fingerprint: str
    dimensions: Dimensions = Dimensions()


def read_model_file(path: Path) -> ModelFile:
    """Read the header of the GGUF at `path`; takes some 50 ms for a vocabulary of 65,536.

    Raises:
        ModelFileError: it is missing, unreadable, not a GGUF, damaged, cut short, or its chat template is not ChatML.
    """
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise _broken(path, "it is empty")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(path, data)
    except UnicodeDecodeError as error:
        raise _broken(path, "a text in its header is not UTF-8") from error
    except struct.error as error:
        raise _broken(path, "its header ends early") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelFileError(f"{path} cannot be read: {reason}.", "Check the path and its permissions.") from error


def _read(path: Path, data: mmap.mmap) -> ModelFile:
    reader = _Reader(path, data)
    tensors, pairs = reader.start()
    header = _Header(reader)
    for _ in range(pairs):
        header.read_pair()
    reader.check_tensors(tensors, header.alignment)
    return header.model_file()


class _Reader:
    """A cursor over the file that cannot leave it."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self._data = data
        self._at = 0

    def start(self) -> tuple[int, int]:
        """Check magic and version; return the counts of tensors and of key-value pairs."""
        if self._data[:4] != b"GGUF":
            raise ModelFileError(f"{self.path} is not a GGUF file.", "Point `path` at a file that ends in .gguf.")
        self._at = 4
        version = self.number(4)
        if version not in (2, 3):
            raise ModelFileError(f"{self.path} is GGUF version {version}.", "Versions 2 and 3 can be read.")
        tensors, pairs = int(self.number(10)), int(self.number(10))
        if tensors > _MAX_TENSORS or pairs > _MAX_PAIRS:
            raise self.broken(f"it claims {tensors} tensors and {pairs} keys")
        return tensors, pairs

    def number(self, kind: int) -> int | float | bool:
        """The next number of GGUF type `kind`."""
        form = _NUMBERS.get(kind)
        if form is None:
            raise self.broken(f"value type {kind} does not exist")
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += _SIZES[kind]
        assert isinstance(value, int | float)  # every form in _NUMBERS gives one of these
        return value

    def raw_string(self, limit: int) -> bytes:
        """The next string, at most `limit` bytes."""
        (length,) = struct.unpack_from("<Q", self._data, self._at)
        self._at += 8
        if length > limit or self._at + length > len(self._data):
            raise self.broken(f"a text of {length} bytes in its header")
        self._at += length
        return self._data[self._at - length : self._at]

    def array(self) -> bytes:
        """The next array, as it lies in the file, its type and length included."""
        begin = self._at
        kind, count = int(self.number(4)), int(self.number(10))
        if count > _MAX_ELEMENTS:
            raise self.broken(f"a list of {count} entries in its header")
        if kind == _STRING:
            self._skip_strings(count)
        elif kind in _SIZES:
            self._at += count * _SIZES[kind]
        else:
            raise self.broken(f"a list of type {kind} in its header")
        if self._at > len(self._data):
            raise self.broken("its header ends early")
        if self._at - begin > _MAX_ARRAY_BYTES:
            raise self.broken(f"a list of {self._at - begin} bytes in its header")
        return self._data[begin : self._at]

    def check_tensors(self, count: int, alignment: int) -> None:
        """Check that the data of all tensors lies within the file."""
        end = 0
        for _ in range(count):
            self.raw_string(_MAX_KEY_BYTES)
            dimensions = int(self.number(4))
            if dimensions > _MAX_DIMENSIONS:
                raise self.broken(f"a tensor of {dimensions} dimensions")
            values = 1
            for _ in range(dimensions):
                values *= int(self.number(10))
            block, size = _BLOCKS.get(int(self.number(4)), (1, 0))
            end = max(end, int(self.number(10)) + values // block * size)
        needed = -(-self._at // alignment) * alignment + end
        if end and needed > len(self._data):
            missing = needed - len(self._data)
            raise ModelFileError(f"{self.path} is cut short: {missing:,} bytes are missing.", _DOWNLOAD_AGAIN)

    def broken(self, why: str) -> ModelFileError:
        """The error that says this file is damaged."""
        return _broken(self.path, why)

    def _skip_strings(self, count: int) -> None:
        data, at, size = self._data, self._at, len(self._data)
        unpack = struct.Struct("<Q").unpack_from
        for _ in range(count):
            at += 8 + unpack(data, at)[0]
            if at > size:
                raise self.broken("its header ends early")
        self._at = at


class _Header:
    """The key-value pairs that matter, and the hash of those that make up the vocabulary."""

    _HASHED = (
        "tokenizer.ggml.model",
        "tokenizer.ggml.pre",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type",
        "tokenizer.ggml.merges",
        "tokenizer.ggml.scores",
        "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.add_bos_token",
        "tokenizer.ggml.add_space_prefix",
    )

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._values: dict[str, Value] = {}
        self._arrays: dict[str, bytes] = {}

    @property
    def alignment(self) -> int:
        """The multiple of bytes at which tensor data begins."""
        value = self._values.get("general.alignment", 32)
        if not isinstance(value, int) or not 1 <= value <= 65_536:
            raise self._reader.broken(f"alignment {value}")
        return value

    def read_pair(self) -> None:
        """Read the next key and value; keep it when something here may ask for it."""
        key = self._reader.raw_string(_MAX_KEY_BYTES).decode("utf-8")
        kind = int(self._reader.number(4))
        if kind == _ARRAY:
            array = self._reader.array()
            if key in self._HASHED or key.endswith(_KV_HEADS):
                self._arrays[key] = array
        elif kind == _STRING:
            self._values[key] = self._reader.raw_string(_MAX_KEPT_BYTES).decode("utf-8")
        else:
            self._values[key] = self._reader.number(kind)

    def model_file(self) -> ModelFile:
        """The checked result."""
        self._check_template()
        architecture = str(self._values.get("general.architecture", ""))
        context = self._values.get(f"{architecture}.context_length")
        if not architecture or not isinstance(context, int) or context < 1:
            raise self._reader.broken("it does not say its architecture and context length")
        im_start, im_end = self._turn_tokens()
        return ModelFile(
            path=self._reader.path,
            name=str(self._values.get("general.name", "")) or self._reader.path.stem,
            architecture=architecture,
            context=context,
            im_start=im_start,
            im_end=im_end,
            fingerprint=self._fingerprint(),
            dimensions=self._dimensions(architecture),
        )

    def _dimensions(self, architecture: str) -> Dimensions:
        def number(key: str) -> int:
            value = self._values.get(f"{architecture}.{key}")
            return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

        width, heads = number("embedding_length"), number("attention.head_count")
        head_width = width // heads if heads else 0
        tokens = self._arrays.get("tokenizer.ggml.tokens", b"")
        return Dimensions(
            width=width,
            inner=number("feed_forward_length"),
            kv_heads=self._kv_heads(architecture, number("block_count"), number(_KV_HEADS[1:]) or heads),
            key_width=number("attention.key_length") or head_width,
            value_width=number("attention.value_length") or head_width,
            window=number("shortconv.l_cache"),
            vocabulary=struct.unpack_from("<Q", tokens, 4)[0] if tokens else 0,
        )

    def _kv_heads(self, architecture: str, layers: int, each: int) -> tuple[int, ...]:
        """One number for all layers, or a list of 32-bit numbers, one a layer."""
        listed = self._arrays.get(f"{architecture}{_KV_HEADS}", b"")
        if not listed:
            return (each,) * min(layers, _MOST_LAYERS)
        kind, count = struct.unpack_from("<IQ", listed)
        if _NUMBERS.get(kind) not in ("<I", "<i") or count > _MOST_LAYERS:
            raise self._reader.broken(f"{_KV_HEADS[1:]} of {count} entries")
        return tuple(max(0, heads) for heads in struct.unpack_from(f"<{count}{_NUMBERS[kind][1]}", listed, 12))

    def _check_template(self) -> None:
        template = str(self._values.get("tokenizer.chat_template", ""))
        # Templates with these markers open a turn in ChatML's words but divide role and text in their own way.
        strange = any(marker in template for marker in ("<|im_sep|>", "<|im_middle|>"))
        if IM_START not in template or strange:
            what = "has a chat template that is not ChatML" if template else "has no chat template"
            raise self._unknown_template(what)

    def _turn_tokens(self) -> tuple[int, int]:
        tokens = self._arrays.get("tokenizer.ggml.tokens", b"")
        types = self._arrays.get("tokenizer.ggml.token_type", b"")
        found = _find_strings(tokens, (IM_START.encode(), IM_END.encode()))
        if None in found:
            raise self._unknown_template("lacks ChatML's turn tokens")
        im_start, im_end = (token for token in found if token is not None)
        for token in (im_start, im_end):
            # A token of any other type could be written by a player: llama.cpp finds it in plain text.
            if types[12 + 4 * token : 16 + 4 * token] != struct.pack("<i", _CONTROL_TOKEN):
                raise self._unknown_template("does not mark ChatML's turn tokens as control tokens")
        return im_start, im_end

    def _unknown_template(self, what: str) -> ModelFileError:
        return ModelFileError(
            f"{self._reader.path} {what}.",
            "Use a ChatML chat model: any LFM2 or LFM2.5, or one whose template writes <|im_start|> and <|im_end|>.",
        )

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for key in self._HASHED:
            part = self._arrays.get(key) or repr(self._values.get(key)).encode()
            digest.update(struct.pack("<Q", len(part)))
            digest.update(part)
        return f"gguf-{digest.hexdigest()[:16]}"


def _find_strings(array: bytes, wanted: tuple[bytes, ...]) -> list[int | None]:
    """Indexes of `wanted` in a raw GGUF array of strings; None for each that is not in it."""
    found: list[int | None] = [None] * len(wanted)
    at, index = 12, 0
    while at < len(array):
        (length,) = struct.unpack_from("<Q", array, at)
        text = array[at + 8 : at + 8 + length]
        if text in wanted:
            found[wanted.index(text)] = index
        at += 8 + length
        index += 1
    return found


def _broken(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"{path} is damaged: {why}.", _DOWNLOAD_AGAIN)
