"""The words that the benchmark's lives are made of. Nothing in memory reads them."""

from __future__ import annotations

NAMES = (
    "Aldith", "Borin", "Cerys", "Dagmar", "Eldric", "Fenna", "Gorm", "Hesper", "Isolde", "Jarek", "Katla", "Ludo",
    "Merrin", "Nils", "Oda", "Perrin", "Quenna", "Ragnar", "Sabine", "Tancred", "Ursel", "Vesna", "Wilmot", "Xander",
    "Ysolt", "Zelda", "Anselm", "Brida", "Corwin", "Drusa", "Emeric", "Frida", "Gisela", "Hakon", "Ingrid", "Joss",
)  # fmt: skip
THINGS = (
    "ledger", "locket", "lantern", "saddle", "compass", "drum", "kettle", "mirror", "helmet", "chisel", "banner",
    "flute", "anchor", "candlestick", "spyglass", "goblet", "quilt", "brooch", "crossbow", "cradle",
)  # fmt: skip
PLACES = (
    "granary", "lighthouse", "quarry", "chapel", "bakery", "watchtower", "orchard", "cellar", "harbour", "stable",
    "bathhouse", "library", "graveyard", "smithy", "windmill", "barracks",
)  # fmt: skip
TRADES = ("weaver", "falconer", "cooper", "glazier", "ferryman", "beekeeper", "tinker", "saddler", "fletcher", "dyer")
GOODS = (
    "pickled herring", "beeswax", "salt", "feathers", "turnips", "indigo", "glue", "copper wire", "vinegar", "linen",
    "sheepskins", "dried plums",
)  # fmt: skip
PLAIN = (
    ("They buried {name}'s {thing} near the {place}.", "Where did they bury {name}'s {thing}?"),
    ("{name} traded the {thing} away at the {place}.", "Where did {name} trade the {thing}?"),
    ("You will find the {thing} that {name} lost in the {place}.", "Where is the {thing} that {name} lost?"),
    ("A thief took {name}'s {thing} to the {place}.", "Where did the thief take {name}'s {thing}?"),
    ("{name} won a {thing} at dice in the {place}.", "Where did {name} win a {thing} at dice?"),
    ("The {thing} of {name} was mended at the {place}.", "Where was {name}'s {thing} mended?"),
)
PARAPHRASES = (
    ("Dogs have frightened me since I was small.", "What is {name} scared of?", "Dogs"),
    ("I earn my bread by carving spoons.", "What is {name}'s occupation?", "spoons"),
    ("I cannot stand the smell of garlic.", "Which odour disgusts {name}?", "garlic"),
    ("My knees ache whenever it rains.", "Which part of the body hurts {name} in wet weather?", "knees"),
    ("I grew up on a barge, on the river.", "Where did {name} spend the childhood?", "barge"),
    ("I would give anything for a slice of plum cake.", "What is {name}'s favourite dessert?", "plum cake"),
    ("We were wed in the spring, my Tova and I.", "Who is {name} married to?", "Tova"),
    ("I lost two fingers to a wolf trap.", "How was {name} injured?", "fingers"),
    ("One day I shall sail to the southern isles.", "What journey does {name} dream of?", "southern isles"),
    ("I have not slept well since the bells began.", "Why is {name} tired all the time?", "bells"),
    ("I put aside a coin each week for a cow.", "What is {name} saving money for?", "cow"),
    ("Old Benno taught me my letters.", "Who was {name}'s instructor in reading?", "Benno"),
    ("I speak to the bees; they answer, in their way.", "Which insects does {name} have conversations with?", "bees"),
    ("I never touch wine, not since the fire.", "Which drink does {name} avoid?", "wine"),
)
REPLIES = (
    "The old woman at the {place} does.",
    "My nephew from the {place}, for a copper.",
    "Nobody but the watchman of the {place}.",
)
PAIR_CHATTER = (
    "{name} talked about that {thing} again.",
    "Where would {name} be without a {thing}?",
    "I asked {name} about the {thing}, and got no answer.",
    "{name}'s {thing} is worth more than my house.",
    "What does {name} need a {thing} for?",
    "I have never seen {name} without the {thing}.",
    "Let {name} keep the {thing}, I say.",
    "{name} bragged about the {thing} all evening.",
)
CHATTER = (
    "{name} walked past the {place} with {other} this morning.",
    "They say the {trade} quarrelled with {name} again.",
    "I saw {name} at the {place}, talking of nothing but the weather.",
    "Has anyone fed the horses? {name} never does.",
    "{name} wants a new {thing}, but who has the money?",
    "The {place} was crowded today, {other} said so too.",
    "{other} told {name} a long story about a {thing}.",
    "It will rain before evening, mark my words.",
    "{name} bought {goods} from the {trade}.",
    "Nobody plays the drum at the {place} any more.",
    "A {trade} passed through and asked for {name}.",
    "{name} sang at the {place} until {other} begged for quiet.",
    "Prices go up and up; {goods} cost double now.",
    "I dreamt of a {thing} last night, a great golden {thing}.",
    "{name} and {other} laughed about the {trade}'s {thing}.",
    "Good day to you. How goes it at the {place}?",
    "The roof of the {place} leaks, and {name} does nothing about it.",
    "{other} owes the {trade} a favour, or so I hear.",
    "We sat by the fire and {name} polished a {thing}.",
    "My back is tired. {name} could help at the {place} for once.",
)
