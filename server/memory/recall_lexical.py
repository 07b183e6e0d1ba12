"""The retriever that ships: words, told apart by how rare they are in this life, then everything else that speaks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import nlargest
from itertools import combinations
from operator import itemgetter

from server.memory import recall_index
from server.memory.database import Connection
from server.memory.events import newest_witnessed
from server.memory.extract import FUNCTIONAL
from server.memory.facts import Fact, all_about
from server.memory.recall import Question, Recalled
from server.memory.recall_rank import (
    ANSWER_SHARE,
    NEIGHBOUR_SHARES,
    SPENT_SHARE,
    Asked,
    Candidate,
    excerpt,
    held_in,
    inverse_frequency,
    lexical,
    weighed,
)
from server.memory.recall_rows import Known, read_around
from server.memory.recall_wants import asks, wanted_by
from server.memory.records import StoredEvent
from server.memory.timeline import VisiblePath
from server.memory.when import span_of
from server.text.words import words

MAX_ASKED = 24
ROWS_OF_A_WORD = 1_000
"""A word that leads to more is no help in telling them apart: the newest are enough."""
ROWS_OF_A_PAIR = 100
PAIRED_WORDS = 3
FIRST_LOOK = 8
WEIGHED_FIRST = 8
LOOKED_AT_BEYOND = 16
MOST_LOOKED_AT = 64
WEIGHED_BEYOND = 14
"""So many more than are wanted are weighed by more than words."""
LENGTHS_LOOKED_AT = 6
READ_WIDELY = 4
HOP_WEIGHT = 0.5
HOP_FROM = 3
HOP_WORDS = 4
LOOKED_BACK = 512
LATEST_SEQ = 2**56

_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w'-]{2,}")


class LexicalRecall:
    """Remembers by words; a name met in the first memories is asked for in a second look."""

    def recall(self, connection: Connection, path: VisiblePath, npc: str, question: Question) -> list[Recalled]:
        """See `Retriever`."""
        if not path or question.limit < 1:
            return []
        search = Search(connection, path, npc, question)
        return search.by_words() or search.newest()


class Search:
    """One question to one NPC's memory, along a path that is not empty."""

    def __init__(self, connection: Connection, path: VisiblePath, npc: str, question: Question) -> None:
        self._connection = connection
        self._path = path
        self._npc = npc
        self._question = question
        self._mark = recall_index.mark_of(recall_index.world_of(connection, path[0].branch), npc)
        self._rows: dict[tuple[str, ...], list[int]] = {}
        self._scores: dict[int, float] = {}
        self._scored: set[str] = set()
        self.asked_words = tuple(dict.fromkeys(words(question.text)))[:MAX_ASKED]
        newest = newest_witnessed(connection, path, npc, limit=1, before=question.before)
        self._now_s = question.now_s
        if self._now_s is None and newest:
            self._now_s = newest[0].time
        self._count = newest[0].seq if newest else 0
        self._span = span_of(question.text, self._now_s, question.weekdays)
        self._known = Known()
        self._want = wanted_by(question.text)
        self._asked = Asked({}, self._now_s, None, "", question.half_life_h, self._want)

    def by_words(self) -> list[Recalled]:
        """What the question's words lead to, best first; nothing where they lead nowhere."""
        asked = dict.fromkeys(self.asked_words, 1.0)
        first = self.look(asked, FIRST_LOOK, weigh=WEIGHED_FIRST, widely=False)
        if not first:
            return []
        looked_at = min(MOST_LOOKED_AT, LOOKED_AT_BEYOND + self._question.limit)
        weigh = WEIGHED_BEYOND + self._question.limit
        return self.told(self.look({**asked, **self.names_in(first[:HOP_FROM])}, looked_at, weigh=weigh))

    def at(self, seqs: Sequence[int]) -> dict[int, Recalled]:
        """What the events at `seqs` tell, those of them that may be told; to be asked after `by_words`."""
        known = self._known
        self._beside(seqs)
        found: dict[int, Recalled] = {}
        for seq in seqs:
            if seq in known.events and seq not in self._question.exclude:
                event, facts = known.events[seq], known.facts.get(seq, ())
                words_of = lexical(event.text, self._asked.weights)
                one = self._holding(self._one(weighed(event, facts, words_of, self._asked)))
                if one is not None:
                    found[seq] = one
        return found

    def newest(self) -> list[Recalled]:
        """What happened last, where no word leads anywhere; where a time is asked for, what happened then."""
        wanted = self._question.limit + len(self._question.exclude)
        span = self._span
        if span is not None:
            wanted += LOOKED_BACK
        events = newest_witnessed(self._connection, self._path, self._npc, limit=wanted, before=self._question.before)
        kept = [event for event in events if event.seq not in self._question.exclude]
        then = [event for event in kept if span is not None and event.time is not None and span.holds(event.time)]
        why = {"time": 1.0} if then else {"newest": 1.0}
        return [Recalled(event, event.text, 0.0, why=why) for event in then or kept][: self._question.limit]

    def look(self, wanted: Mapping[str, float], count: int, *, weigh: int, widely: bool = True) -> list[Candidate]:
        """Of the `count` events that hold the most of `wanted` and of those around them the `weigh` best, in order."""
        weights = {
            word: share * inverse_frequency(len(self._rows_with(word)), self._count) for word, share in wanted.items()
        }
        question = self._question
        self._asked = Asked(weights, self._now_s, self._span, question.place, question.half_life_h, self._want)
        seqs = self._best(weights, count)
        self._beside(seqs)
        if widely:
            self._around_best(seqs)
        return self._ranked(weigh)

    def names_in(self, found: Iterable[Candidate]) -> dict[str, float]:
        """Names that the question does not hold, each with what it counts for."""
        names: dict[str, float] = {}
        for candidate in found:
            for name in _NAME.findall(candidate.event.text):
                for word in words(name):
                    if word not in self.asked_words and len(names) < HOP_WORDS:
                        names[word] = HOP_WEIGHT
        return names

    def _rows_with(self, *held: str) -> list[int]:
        if held not in self._rows:
            before = min(self._question.before, LATEST_SEQ)
            limit = ROWS_OF_A_WORD if len(held) == 1 else ROWS_OF_A_PAIR
            rows = recall_index.rows_with(self._connection, self._mark, held, before=before, limit=limit)
            self._rows[held] = recall_index.seen(rows, self._path)
        return self._rows[held]

    def _best(self, weights: Mapping[str, float], count: int) -> list[int]:
        """The seqs of the events that hold the most of what is asked, in themselves or in one of their facts.

        A second look goes on from the first one's scores: a word's weight stays.
        """
        scores = self._scores
        for word, weight in weights.items():
            if word in self._scored:
                continue
            self._scored.add(word)
            for row in self._rows_with(word):
                scores[row] = scores.get(row, 0.0) + weight
        # What holds two words that are each too common to be followed far back.
        common = [word for word in self.asked_words if len(self._rows_with(word)) >= ROWS_OF_A_WORD][:PAIRED_WORDS]
        for one, other in combinations(common, 2):
            both = weights[one] + weights[other]
            for row in self._rows_with(one, other):
                scores[row] = max(scores.get(row, 0.0), both)
        best = nlargest(2 * count, scores.items(), key=itemgetter(1))
        return list(dict.fromkeys(row // recall_index.ROWS_OF_AN_EVENT for row, _ in best))[:count]

    def _beside(self, seqs: Collection[int]) -> None:
        """Read what stands at `seqs`, and beside them."""
        read_around(self._connection, self._path, self._npc, seqs, self._question.before - 1, self._known)

    def _around_best(self, seqs: Sequence[int]) -> None:
        """Read farther around the best of `seqs`, and around all of them where that is too little."""
        known, wanted = self._known, self._question.limit + len(self._question.exclude)
        edge = set(seqs[:READ_WIDELY])
        for _ in NEIGHBOUR_SHARES[1:]:
            self._beside({step[seq] for step in (known.before, known.after) for seq in edge if seq in step})
            if len(known.events) >= wanted:
                return
            edge = set(known.asked)

    def _around(self, own: Mapping[int, float]) -> dict[int, float]:
        """What the events around each one say of what is asked, from what each says itself."""
        known = self._known
        total: dict[int, float] = {}
        for seq, words_of in own.items():
            for step in (known.before, known.after):
                at = seq
                for share in NEIGHBOUR_SHARES:
                    at = step.get(at, -1)
                    if at not in known.events:
                        break
                    total[at] = total.get(at, 0.0) + share * words_of
            answer = known.after.get(seq, -1)
            if answer in known.events and _is_answer(known.events[seq], known.events[answer]):
                total[answer] += (ANSWER_SHARE - NEIGHBOUR_SHARES[0]) * words_of
        return total

    def _ranked(self, weigh: int) -> list[Candidate]:
        """The best of everything known: by words at first, then by the rest."""
        weights, known = self._asked.weights, self._known
        own: dict[int, float] = {}
        for seq, event in known.events.items():
            words_of = lexical(event.text, weights, event.speaker_name)
            for fact in known.facts.get(seq, ()):
                words_of = max(words_of, lexical(fact.told_of, weights))
            if words_of > 0.0:
                own[seq] = words_of
        around = self._around(own)
        worth = {
            seq: own.get(seq, 0.0) + around.get(seq, 0.0)
            for seq in own.keys() | around.keys()
            if seq not in self._question.exclude
        }
        chosen = nlargest(weigh, worth.items(), key=itemgetter(1))
        candidates = [
            weighed(known.events[seq], known.facts.get(seq, ()), words_of, self._asked) for seq, words_of in chosen
        ]
        return sorted(candidates, key=lambda each: (each.score, each.event.seq), reverse=True)

    def told(self, found: Sequence[Candidate]) -> list[Recalled]:
        """The best of `found` in words."""
        made: dict[int, Recalled] = {}
        for candidate in found[: self._question.limit + LENGTHS_LOOKED_AT]:
            one = self._holding(self._one(candidate))
            if one is not None and one.event.seq not in made:
                made[one.event.seq] = one
        order = sorted(
            made.values(),
            key=lambda one: (one.score / (12 + len(one.text)) ** SPENT_SHARE, one.event.seq),
            reverse=True,
        )
        return order[: self._question.limit]

    def _one(self, candidate: Candidate) -> Recalled:
        text = excerpt(candidate.event.text, self._asked.weights)
        fact = _fact_instead(candidate, self._asked, text)
        said = text if fact is None else fact.text
        held = set(held_in(candidate.event.text)).union(*(held_in(fact.text) for fact in candidate.facts))
        is_led_to = not held.isdisjoint(self._asked.weights) and held.isdisjoint(self.asked_words)
        return Recalled(candidate.event, said, candidate.score, fact, "", 2 if is_led_to else 1, candidate.why)

    def _holding(self, one: Recalled) -> Recalled | None:
        """What holds now of a thing of which one holds at a time; None where that may not be told."""
        facts = self._known.facts.get(one.event.seq, ())
        fact = one.fact or (facts[0] if len(facts) == 1 else None)
        if fact is None or fact.relation not in FUNCTIONAL:
            return one
        before = self._question.before
        same = [each for each in all_about(self._connection, self._path, self._npc, fact) if each.seq < before]
        newest = same[0] if same else fact
        others = [each.object for each in same[1:] if each.object.casefold() != newest.object.casefold()]
        former = others[0] if others else ""
        if newest.seq == one.event.seq:
            return replace(one, former=former) if one.fact is not None else one
        if newest.object.casefold() == fact.object.casefold():
            return one
        if newest.seq in self._question.exclude:
            return None
        read_around(self._connection, self._path, self._npc, [newest.seq], before - 1, self._known)
        event = self._known.events.get(newest.seq)
        if event is None:
            return one
        return Recalled(event, newest.text, one.score, newest, former, one.hop, {**one.why, "newest": 1.0})


def _is_answer(asked: StoredEvent, event: StoredEvent) -> bool:
    return asked.speaker != event.speaker and asks(asked.text)


def _fact_instead(candidate: Candidate, asked: Asked, text: str) -> Fact | None:
    """The fact that says in fewer words as much of what is asked as the event; who said it is no part of that."""
    name = words(candidate.event.speaker_name)
    weights = {word: weight for word, weight in asked.weights.items() if word not in name}
    whole = lexical(candidate.event.text, weights)
    fitting = [
        fact
        for fact in candidate.facts
        if len(fact.text) < len(text) and lexical(fact.told_of, weights) >= max(0.9 * whole, 1e-9)
    ]
    return max(fitting, key=lambda fact: lexical(fact.text, weights), default=None)
