"""The third level: which states are written to disk, when, and what they replace there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator

from server.backends.llama.disk import StateFile, StateFiles
from server.backends.llama.model import Model
from server.backends.llama.state import Kind, State, StateTree


class Archive:
    """Moves states between memory and `files`; without `files` it holds nothing and takes nothing.

    `lost` is called with a state that has no file any more.
    """

    def __init__(self, model: Model, files: StateFiles | None, tree: StateTree, lost: Callable[[State], None]) -> None:
        self._model = model
        self._files = files
        self._tree = tree
        self._lost = lost
        self._named: dict[str, State] = {}
        self._writing: Generator[None, None, None] | None = None

    @property
    def total_bytes(self) -> int:
        """Of all files in the folder."""
        return self._files.total_bytes if self._files else 0

    def open(self) -> list[State]:
        """The states that are on disk already, least recently used first."""
        found = [State(file.tokens, Kind(file.kind), 0, file=file.name) for file in self._open_files()]
        self._named = {state.file: state for state in found if state.file}
        return found

    def read(self, state: State) -> bool:
        """Bring `state` to memory; False, and it is lost, where its file is not whole."""
        if self._files is None or state.file is None:
            return False
        state.data = self._files.read(state.file)
        if state.data is None:
            self._unname(state)
            self._lost(state)
        return state.data is not None

    def save(self, states: Collection[State]) -> bool:
        """Write a piece of the most recently used of `states` that should be on disk and is not; False if none is."""
        if self._writing is None:
            waiting = [state for state in states if self._wants(state)]
            if not waiting:
                return False
            self._writing = self._write(max(waiting, key=lambda state: state.used))
        if next(self._writing, self) is self:
            self._writing = None
        return True

    def write(self, state: State) -> None:
        """Write all of `state` at once, if it should be on disk."""
        while self._writing is not None:
            self.save(())
        if self._wants(state):
            for _ in self._write(state):
                pass

    def remove(self, state: State) -> None:
        """Delete the file of `state`, if it has one."""
        if self._files is not None and state.file is not None:
            self._files.remove(state.file)
            self._unname(state)

    def _open_files(self) -> list[StateFile]:
        return self._files.open() if self._files else []

    def _wants(self, state: State) -> bool:
        """Ends of prompts are for the next minute; the disk is for the next day."""
        if self._files is None or state.file is not None or state.kind is Kind.PROMPT:
            return False
        if not self._tree.is_worth_keeping(state):
            return False
        return not state.nowhere and self._file_bytes(state) <= self._files.room_beside(self._newer(state))

    def _newer(self, state: State) -> list[str]:
        """The files that `state` must not displace: those of states used since."""
        return [name for name, other in self._named.items() if other.used > state.used]

    def _file_bytes(self, state: State) -> int:
        return self._files.file_bytes(state.tokens, self._size(state)) if self._files else 0

    def _size(self, state: State) -> int:
        if state.data is not None:
            return len(state.data)
        return self._model.state_bytes(state.sequence) if state.sequence is not None else 0

    def _write(self, state: State) -> Generator[None, None, None]:
        """Write `state`, in pieces; it may be given up meanwhile."""
        if self._files is None:
            return
        data = state.data if state.data is not None else self._model.save(state.sequence or 0)
        oldest_first = sorted(self._named, key=lambda name: self._named[name].used)
        for name in self._files.make_room(self._file_bytes(state), oldest_first):
            if (other := self._named.get(name)) is not None:
                self._unname(other)
                self._lost(other)
        written = yield from self._files.write(state.tokens, state.kind.value, data)
        if written and self._tree.get(state.tokens) is state:
            self._named[written] = state
            state.file = written
            self._replace(state)
        elif written:
            self._files.remove(written)

    def _replace(self, state: State) -> None:
        """Remove the ends of earlier turns, now that `state` is on disk."""
        for _, old in list(self._tree.along(state.tokens)):
            if old.kind is Kind.TURN and old is not state and old.file is not None:
                self.remove(old)
                self._lost(old)

    def _unname(self, state: State) -> None:
        if state.file is not None:
            self._named.pop(state.file, None)
        state.file = None
