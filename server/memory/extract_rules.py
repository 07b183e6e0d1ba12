"""The rules of the extractor, as data: a pattern over one sentence, and the fact that it makes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_KIN = (
    "sister|brother|mother|father|mum|mom|dad|wife|husband|son|daughter|aunt|uncle|cousin|niece|nephew|grandmother|"
    "grandfather|grandma|grandpa|friend|best friend|partner|girlfriend|boyfriend|fiancée?|master|mistress|apprentice|"
    "teacher|mentor|neighbou?r|boss|captain|commander|employer|horse|dog|cat|hound|mule|pony|companion|rival|enemy"
)
_TRADES = (
    "smith|blacksmith|baker|brewer|innkeeper|barkeep|miller|farmer|hunter|trapper|fisher|fisherman|sailor|soldier|"
    "guard|knight|mage|wizard|witch|priest|priestess|healer|doctor|nurse|teacher|scholar|scribe|merchant|trader|"
    "tailor|weaver|tanner|carpenter|mason|miner|potter|cook|bard|singer|musician|painter|artist|writer|thief|"
    "assassin|mercenary|bounty hunter|adventurer|alchemist|apothecary|herbalist|shepherd|ferryman|messenger|"
    "courier|counselor|counsellor|lawyer|engineer|student|actor|dancer|photographer|designer|chef|driver|officer"
)
_COINS = r"gold|silver|coppers?|coins?|crowns?|septims?|caps|dollars?|marks?|pennies|shillings?|credits?|pieces"
_END = r"(?=[.,;!]|$| (?:and|but|because|so|when|while|if|since|though|although|until|before|after|as|where|who)\b)"
_THING = r"[\w' -]{2,60}?"
_NAME = r"[A-Z][\w'-]+(?: (?:the |of |de |von )?[A-Z][\w'-]+){0,3}"
_PLACE = (
    r"(?P<object>(?:in|under|underneath|beneath|behind|inside|beside|above|below|near|at|on|within|by|over|between|"
    r"across from|next to|outside) (?:the |a |an |my |our |your |his |her |their )?[\w' -]{2,60}?)"
)
_DEED = (
    "saved|killed|slew|murdered|robbed|stole|betrayed|burned|burnt|destroyed|attacked|wounded|healed|rescued|helped|"
    "married|buried|imprisoned|arrested|banished|hired|cursed|freed|poisoned|threatened|won|lost|found|bought|sold|"
    "built|broke|gave|lent|borrowed|met|visited|joined|left|started|finished|adopted|learned|learnt|made|painted|"
    "wrote|caught|signed up|moved|travelled|traveled|went|passed|got|took|ran|attended|received|moved"
)
_NO_NAMES = frozenset(
    {
        *("a", "an", "the", "i", "not", "so", "very", "just", "really", "still", "now", "here", "there", "sorry"),
        *("sure", "afraid", "glad", "happy", "tired", "hungry", "ready", "fine", "ok", "okay", "back", "home", "lost"),
        *("looking", "going", "trying", "sad", "angry", "busy", "done", "new", "old", "good", "bad", "well", "called"),
        *("only", "never", "always"),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` with groups `subject`, `object` and `relation`; the other texts are formats over these.

    `first_person` rules are about the speaker. `needs` are groups that may not be empty.
    """

    kind: str
    relation: str
    pattern: re.Pattern[str]
    text: str
    importance: float
    first_person: bool = True
    takes_name: bool = False
    needs: frozenset[str] = frozenset({"object"})


def is_name(words: str) -> bool:
    """Whether this can be somebody's name: a capital first, and no word that sentences about oneself begin with."""
    first = words.split(" ", 1)[0]
    return bool(first[:1].isupper() and first.lower() not in _NO_NAMES and len(first) > 1)


def _rule(kind: str, relation: str, pattern: str, text: str, importance: float, **more: object) -> Rule:
    flags = 0 if more.get("takes_name") else re.IGNORECASE
    return Rule(kind, relation, re.compile(pattern, flags), text, importance, **more)  # type: ignore[arg-type]  # its own


RULES: tuple[Rule, ...] = (
    # Promises, appointments, debts.
    _rule("promise", "promise", r"\bI(?:'ll| will)? (?:promise|swear|vow|give you my word)(?: you)?,? (?:that )?"
          r"(?P<object>.{6,160})$", "{speaker} promised: {object}", 0.8),
    _rule("promise", "promise", r"\bI(?:'ll| will| shall) (?P<object>(?:bring|pay|return|give|repay|help|fetch|find|"
          r"send|deliver|come back|be back|show|teach|lend|save|protect|kill|avenge|tell|get|make|build|meet|visit|"
          r"write|buy|take|wait)\b.{3,160})$", "{speaker} promised: I will {object}", 0.7),
    _rule("appointment", "appointment", r"\b(?:(?:let's|let us|we(?:'ll| will| shall| should)) (?:meet|talk|speak)|"
          r"meet me|come (?:to me|by|and see me|see me)|see you|wait for me) (?P<object>.{3,120})$",
          "{speaker} arranged to meet: {object}", 0.8),
    _rule("debt", "debt", r"\bI owe (?P<object>(?:you|him|her|them|" + _NAME + r")\b.{2,80})$",
          "{speaker} owes {object}", 0.7),
    _rule("debt", "owed", r"\byou(?: still)? owe me (?P<object>.{2,80})$", "{speaker} is owed {object}", 0.7),
    # Who somebody is.
    _rule("name", "name", r"\b(?:[Mm]y name is|[Mm]y name's|[Cc]all me|[Tt]hey call me|I am called|I'm called|"
          r"[Pp]eople call me) (?P<object>" + _NAME + r")", "{speaker}'s name is {object}", 0.7, takes_name=True),
    _rule("name", "name", r"(?:^|, )(?:I am|I'm) (?P<object>" + _NAME + r")(?=[.,;!]|$| of | from )",
          "{speaker}'s name is {object}", 0.6, takes_name=True),
    _rule("kin", "{relation}", r"\b[Mm]y (?:(?:little|older|younger|elder|big|twin|late|dear|old|good) )?"
          r"(?P<relation>" + _KIN + r")(?: is| was|'s name is| is called| is named|,| named| called)? (?P<object>"
          + _NAME + r")", "{speaker}'s {relation} is {object}", 0.7, takes_name=True),
    _rule("kin", "{relation}", r"\b(?P<object>" + _NAME + r")(?: is|,| was) my (?:(?:little|older|younger|elder|big|"
          r"twin|late|dear|old|good) )?(?P<relation>" + _KIN + r")\b", "{speaker}'s {relation} is {object}", 0.7,
          takes_name=True),
    _rule("kin", "{relation}", r"\b(?P<subject>" + _NAME + r")'s (?P<relation>" + _KIN + r")(?: is| was|,| is called)"
          r" (?P<object>" + _NAME + r")", "{subject}'s {relation} is {object}", 0.6, first_person=False,
          takes_name=True),
    _rule("trait", "home", r"\bI(?:'ve| have)? (?:now )?(?P<relation>live|dwell|moved|settled)(?: now)?"
          r"(?: (?:alone|with \w+))? (?P<object>(?:in|at|near|on|by|to|into|above|with) " + _THING + r")" + _END,
          "{speaker}: I {relation} {object}", 0.6),
    _rule("trait", "origin", r"\bI(?:'m| am| come| hail| was born)(?: originally)? (?P<object>(?:from|in) "
          r"(?:the )?[A-Z]" + _THING + r")" + _END, "{speaker} comes {object}", 0.5),
    _rule("trait", "work", r"\bI (?:now )?(?:work|worked|serve|served|have worked) (?P<object>(?:as|at|for|in|with) "
          + _THING + r")" + _END, "{speaker} works {object}", 0.5),
    _rule("trait", "work", r"\bI(?:'m| am| was) (?P<object>(?:a|an|the) (?:\w+ ){0,2}(?:" + _TRADES + r")\b"
          r"(?: (?:of|from|in|at) " + _THING + r")?)" + _END, "{speaker} is {object}", 0.6),
    _rule("trait", "age", r"\bI(?:'m| am) (?P<object>\d{1,3}|[a-z]+-?[a-z]*) (?:years|winters|summers) old",
          "{speaker} is {object} years old", 0.5),
    _rule("trait", "{relation}", r"\b(?P<subject>(?-i:" + _NAME + r")) "
          r"(?P<relation>lives|works|serves|comes|hails|sleeps) (?P<object>"
          r"(?:in|at|near|on|by|as|for|from|above|with|under) " + _THING + r")" + _END,
          "{subject} {relation} {object}", 0.5, first_person=False, takes_name=False),
    _rule("trait", "is", r"\b(?P<subject>(?-i:" + _NAME + r")) (?:is|was) "
          r"(?P<object>(?:a|an|the|our|your|his|her|their) "
          + _THING + r")" + _END, "{subject} is {object}", 0.5, first_person=False),
    # Likes, fears, wishes, possessions.
    _rule("like", "favourite", r"\bmy (?P<relation>favou?rite [\w ]{2,24}?) (?:is|are|was|has always been) "
          r"(?P<object>" + _THING + r")" + _END, "{speaker}'s {relation} is {object}", 0.6),
    _rule("like", "likes", r"\bI (?:\w+ly |also |just |do |still |always )?(?:love|like|adore|enjoy|prefer|admire|"
          r"am fond of|'m fond of|am into|'m into) (?P<object>" + _THING + r")" + _END, "{speaker} likes {object}",
          0.5),
    _rule("like", "dislikes", r"\bI (?:\w+ly |also |just |still |always )?(?:hate|dislike|despise|loathe|detest|"
          r"can't stand|cannot stand|don't like|do not like|never liked|can't bear) (?P<object>" + _THING + r")"
          + _END, "{speaker} dislikes {object}", 0.5),
    _rule("like", "fears", r"\bI(?:'m| am) (?:\w+ )?(?:afraid|scared|terrified|frightened) of (?P<object>" + _THING
          + r")" + _END, "{speaker} fears {object}", 0.5),
    _rule("like", "wants", r"\bI (?:\w+ly |also |just |still |always )?(?:want|need|wish|hope|dream|plan|intend|long)"
          r"(?:ed)? (?P<object>(?:to|for|of) " + _THING + r")" + _END, "{speaker} wants {object}", 0.45),
    _rule("trait", "has", r"\bI(?:'ve got| have| own| keep| had| possess) (?P<object>(?:a|an|two|three|four|five|six|"
          r"seven|some|no|my own|many|several|\d+) " + _THING + r")" + _END, "{speaker} has {object}", 0.45),
    _rule("deed", "did", r"\bI(?:'ve| have|'d)? (?:\w+ly |just |also |already |once |finally )?(?P<object>(?:" + _DEED
          + r")\b[^.,;!]{3,80}?)" + _END, "{speaker} {object}", 0.45),
    # Where things are, what they cost.
    _rule("place", "place", r"\bI(?:'ve| have)? (?:just )?(?:left|hid|put|buried|hidden|kept|keep|stored|locked|lost|"
          r"dropped|moved|placed|stashed|concealed) (?P<subject>(?:the|my|our|your|his|her|their|a|an|all) "
          r"[\w' -]{2,40}?) " + _PLACE + _END, "{subject} is {object}", 0.7, first_person=False,
          needs=frozenset({"subject", "object"})),
    _rule("place", "place", r"(?:^|[,;:] |that )(?P<subject>(?:the|my|our|your|his|her|their) [\w' -]{2,40}?) (?:is|"
          r"are|lies|lie|was|were|stands|hangs|sits|rests|hides|waits)(?: now| still)?(?: hidden| buried| kept| "
          r"stored| locked| left| lost)? " + _PLACE + _END, "{subject} is {object}", 0.6, first_person=False,
          needs=frozenset({"subject", "object"})),
    _rule("price", "price", r"\b(?P<subject>(?:the|a|an|my|our|your) [\w' -]{2,40}?) (?:costs?|sells? for|goes for|is "
          r"worth|will cost you|is) (?P<object>[\w-]+ (?:" + _COINS + r")\b)", "{subject} costs {object}", 0.5,
          first_person=False, needs=frozenset({"subject", "object"})),
    _rule("price", "price", r"\b(?P<object>[\w-]+ (?:" + _COINS + r")) for (?P<subject>(?:the|a|an|my|our|your|each|one"
          r") [\w' -]{2,40}?)" + _END, "{subject} costs {object}", 0.5, first_person=False,
          needs=frozenset({"subject", "object"})),
    # What happened.
    _rule("event", "state", r"\b(?P<subject>(?-i:" + _NAME + r")|(?:the|my|our|your) [\w' -]{2,40}?) (?:is|was|are|"
          r"were|has been|have been|has|have) (?P<object>dead|missing|ill|sick|wounded|gone|alive|free|arrested|"
          r"killed|murdered|robbed|burned down|destroyed|stolen|broken|betrothed|married|"
          r"pregnant|banished|in prison|died|vanished|returned|fled)\b", "{subject} is {object}", 0.7,
          first_person=False, needs=frozenset({"subject"})),
    _rule("event", "did", r"(?P<subject>\b(?-i:" + _NAME + r")|\b(?:the|a|an) [\w' -]{2,30}?) (?P<object>(?:" + _DEED
          + r"|died|vanished|fled|fell|returned)\b[^.,;!]{0,80}?)" + _END, "{subject} {object}", 0.5,
          first_person=False, needs=frozenset({"subject", "object"})),
)  # fmt: skip
