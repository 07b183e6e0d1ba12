"""Plain English words: what the bench's characters are described with, and the first words of a made vocabulary."""

from __future__ import annotations

NAMES = (
    "Alric", "Brenna", "Cedany", "Doran", "Edda", "Faro", "Greta", "Hollis", "Imre", "Jorun", "Kestrel", "Lowen",
    "Maren", "Nadja", "Orrin", "Petra", "Quill", "Rowan", "Sunniva", "Torben", "Ulla", "Viggo", "Wenda", "Yorick",
)  # fmt: skip
TRADES = (
    "baker", "smith", "ferryman", "weaver", "hunter", "healer", "guard", "miller", "carpenter", "herder", "trader",
    "brewer", "potter", "scribe", "tanner", "fisher",
)  # fmt: skip
PLACES = (
    "market", "harbour", "mill", "bridge", "tavern", "chapel", "forge", "orchard", "gate", "well", "cellar", "tower",
    "stable", "quarry", "meadow", "road",
)  # fmt: skip
THINGS = (
    "bread", "rope", "lantern", "letter", "coin", "barrel", "knife", "cloak", "horse", "cart", "key", "song", "map",
    "ring", "boat", "candle", "stone", "hammer", "basket", "door",
)  # fmt: skip
QUALITIES = (
    "quiet", "proud", "patient", "curious", "stubborn", "kind", "careful", "restless", "honest", "tired", "cheerful",
    "wary", "gentle", "clever", "plain", "old",
)  # fmt: skip
DEEDS = (
    "mends", "sells", "carries", "hides", "counts", "watches", "buys", "borrows", "forgets", "finds", "keeps", "loses",
    "trades", "gives", "steals", "repairs",
)  # fmt: skip
TIMES = ("morning", "evening", "winter", "summer", "night", "spring", "autumn", "noon")
GLUE = (
    "the", "a", "an", "and", "of", "to", "in", "at", "by", "for", "with", "from", "near", "every", "who", "that", "is",
    "was", "has", "had", "not", "never", "often", "when", "before", "after", "about", "but", "he", "she", "it", "they",
    "you", "your", "we", "I", "me", "my", "his", "her", "their", "what", "where", "did", "do", "does", "will", "would",
    "can", "there", "this", "one", "two", "many", "last", "next", "said", "says", "saw", "seen", "heard", "knows",
    "system", "user", "assistant", "people", "town", "friend", "speak", "only", "words", "short", "answer", "name",
    "work", "day", "long", "new", "good", "tell", "ask", "remember", "believe", "on", "as", "are", "be", "no", "so",
    "if", "or", "than", "then", "them", "us", "up", "down", "out", "over", "under", "again", "always", "still",
)  # fmt: skip

ALL = tuple(dict.fromkeys((*GLUE, *NAMES, *TRADES, *PLACES, *THINGS, *QUALITIES, *DEEDS, *TIMES)))
