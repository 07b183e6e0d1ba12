"""What a model is born with: copying, which no amount of text that fits into an hour teaches a model this small.

The width is parted. Each token has a fixed code of random signs; the first layer writes the codes of a token and of the
two before it where nothing else may write; the second layer's first two heads look for a place that came after the same
tokens, and say what stood there: an induction head. Its third head tells each token the first two tokens of its line,
and one of the third layer whether it stood before. Of the last two layers of attention, one is born to fetch a word of
the question, the other to look for that word further up, and to say the first token of the line found, or its second.
First heads of the later layers are born to say the token they look at. All this is set once and kept; everything else
is learnt, above all where to look. A beginning like that is known as mimetic initialisation: start where trained models
are found to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from server.bench.model.tokens import BOS, byte_token
from training.model import Attention, Convolution, Lfm2
from training.vocabulary import ends_line

SPACE, LINE_FEED = byte_token(ord(" ")), byte_token(ord("\n"))
CONSTANT, SINK, ENDS, BEGINS, FLAG = range(5)
"""Beside the constant: the beginning of a text, a token that ends a line or sentence, the second one of the next, and
one that stood somewhere before."""
CODE, NEAR, FAR = 40, 24, 20
"""Lengths of a code: whole, of the token before, and of the one before that."""
SAID = slice(5, 5 + CODE)
"""What is to be said: codes of tokens come in here at the bottom and go out at the top."""
SELF = slice(SAID.stop, SAID.stop + CODE)
"""The code of the token itself."""
BEFORE = slice(SELF.stop, SELF.stop + NEAR)
TWICE_BEFORE = slice(BEFORE.stop, BEFORE.stop + FAR)
"""Shorter codes of the two tokens before."""
FIRST = slice(TWICE_BEFORE.stop, TWICE_BEFORE.stop + NEAR)
SECOND = slice(FIRST.stop, FIRST.stop + NEAR)
"""Short codes of the two tokens that begin the line or sentence."""
KEY = slice(SECOND.stop, SECOND.stop + NEAR)
"""Short codes of the words of a question that are to be looked for."""
LEARNT = slice(KEY.stop, None)
KIND = slice(LEARNT.start, LEARNT.start + NEAR)
"""What a question is about, and a line: learnt, to be alike where the one answers the other."""

FORM = 6
"""The last signs of a code tell apart tokens which differ in case, or in a space before them, alone: what was said in
one form is found, and said, in another."""
SIGN = 1.2
LEVEL = 5.0
"""The constant's value. With it, the codes' and the rest of each embedding have a mean square of one: normalised, an
embedding is what it was, so that the first layer's gates are one and its sums exact."""
LOUDNESS, QUIET = 0.15, 0.04
"""Factors before the output: of the codes, and of everything else, which holds the token itself at first."""
INDUCTION_SHARPNESS = 2.5
SINK_LEVEL = 4.0
"""Of the token at the beginning of every text: a head that finds nothing looks there, and says nothing."""
LOOK_BACK, LOOK_BACK_ALONE = 4.0, 2.0
"""How strongly the two heads of the second layer look at the beginning: more than at a token that is like the wanted
one by chance, less than at the wanted one. The second head asks for one token alone."""
ALONE = 0.8
"""How loud that head is beside the first."""
FIRST_SLOW_PAIR = 12
"""Of a head's 36 pairs; from this one on a position of 1,000 turns them by a tenth of a radian at most: what they hold
is found again at any distance."""
END_LEVEL = 3.0
"""Of a token that ends a line, and so of the one that begins the next."""
NO_LINE, NO_LINE_SOUGHT = 0.3, 0.15
"""What every key of the line's head holds, so that a token that begins no line is like nothing; and how strongly that
head looks at the beginning of the text where no line began within sight."""
RECENT = {2: 0.5, 3: 1.0, 4: 1.0, 5: 1.0, 6: 1.0}
"""Of a head's pairs, which turn by 0.2 to 0.01 radians a token: together they are the higher the nearer a token is."""
CLOSE_PAIRS, CLOSE = 5, 2.2
"""The fastest pairs, which together say what is near: not to be found, as a token would find itself."""
LOOK_BACK_FOUND = 9.0
"""As LOOK_BACK, for the head that looks for the same token."""
TOLD = 1.5
"""How loud the beginning of a line is told, beside a copied token."""
SOUGHT, FAINT = 2.0, 0.5
"""How loud a word that is looked for is at first, and everything else by which a line may be found."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Values that stay: `values` of `parameter` wherever `mask`."""

    parameter: nn.Parameter
    mask: Tensor
    values: Tensor

    def still(self) -> None:
        """Take nothing from the gradient here."""
        if self.parameter.grad is not None:
            self.parameter.grad.masked_fill_(self.mask, 0.0)

    def restore(self) -> None:
        """Undo what was changed here."""
        self.parameter.copy_(torch.where(self.mask, self.values, self.parameter))


def codes_of(tokens: Sequence[str], generator: torch.Generator) -> Tensor:
    """Signs of each token, (tokens, CODE)."""
    signs = 2.0 * torch.randint(0, 2, (len(tokens), CODE), generator=generator) - 1.0
    forms = 2.0 * torch.randint(0, 2, (6, FORM), generator=generator) - 1.0
    first: dict[str, int] = {}
    for at, token in enumerate(tokens):
        word = token.removeprefix(SPACE)
        if not word[:1].isalpha():
            continue
        case = 0 if word.islower() else 1 if word[1:].islower() or len(word) == 1 else 2
        signs[at, :-FORM] = signs[first.setdefault(word.casefold(), at), :-FORM]
        signs[at, -FORM:] = forms[2 * case + (word != token)]
    return signs


def _plain(token: str) -> str:
    return token.replace(SPACE, " ").replace(LINE_FEED, "\n")


class Born:
    """Sets a model's first values, and keeps those that stay."""

    def __init__(self, model: Lfm2, tokens: Sequence[str]) -> None:
        self.model = model
        self._masks = {name: torch.zeros_like(p, dtype=torch.bool) for name, p in model.named_parameters()}
        generator = torch.Generator().manual_seed(7)
        self._codes = SIGN * codes_of(tokens, generator)
        self._ends = torch.tensor([END_LEVEL * ends_line(_plain(token)) for token in tokens])
        self._short = torch.zeros(NEAR, CODE)  # of the word alone, in whatever form
        self._short[:, :-FORM] = torch.linalg.qr(torch.randn(CODE - FORM, NEAR, generator=generator))[0].T
        with torch.no_grad():
            self._draw()
            self._embed()
            self._first_layer()
            self._second_layer()
            self._lines()
            self._findings()
            self._copies()
            self._fetching()
            self._looking_up()
            self._kept_clear()
        parameters = dict(model.named_parameters())
        self.fixed = [
            Fixed(parameters[name], mask, parameters[name].detach().clone())
            for name, mask in self._masks.items()
            if bool(mask.any())
        ]

    def still(self) -> None:
        """Before a step."""
        for each in self.fixed:
            each.still()

    @torch.no_grad()
    def restore(self) -> None:
        """After a step: what stays, and the length of every embedding, on which the first layer's values rest."""
        for each in self.fixed:
            each.restore()
        self._level()

    def _keep(self, name: str, *where: slice | int | list[int]) -> None:
        self._masks[name][where] = True

    def _draw(self) -> None:
        for name, parameter in self.model.named_parameters():
            if name.endswith("conv"):
                nn.init.uniform_(parameter, -0.5, 0.5)
            elif parameter.ndim == 2:
                closes = name.endswith(("out_proj.weight", "output.weight", "ffn_down.weight"))
                nn.init.normal_(parameter, std=0.0 if closes else parameter.shape[1] ** -0.5)

    def _level(self) -> None:
        learnt = self.model.token_embd.weight[:, LEARNT]
        length = (self.model.of.width - LEVEL**2 - CODE * SIGN**2 - self._ends**2) ** 0.5
        learnt *= (length / learnt.norm(dim=1))[:, None]

    def _embed(self) -> None:
        embedded = self.model.token_embd.weight
        nn.init.normal_(embedded)
        embedded[:, : LEARNT.start] = 0
        embedded[:, CONSTANT] = LEVEL
        embedded[:, SAID] = self._codes
        embedded[:, ENDS] = self._ends
        embedded[BOS, SAID] = 0
        embedded[BOS, SINK] = SINK_LEVEL
        self._level()
        self._keep("token_embd.weight", slice(None), slice(0, LEARNT.start))
        self.model.token_embd_norm.weight.fill_(QUIET)
        self.model.token_embd_norm.weight[SAID] = LOUDNESS

    def _first_layer(self) -> None:
        mix = self.model.blk[0].mix
        assert isinstance(mix, Convolution)
        width, begins, used = self.model.of.width, CODE + NEAR + FAR, CODE + NEAR + FAR + 1
        before, after, value = mix.in_proj.weight.split(width)
        for gate in (before, after):
            gate[:used] = 0
            gate[:used, CONSTANT] = 1 / LEVEL
        value[:used] = 0
        value[:CODE, SAID] = torch.eye(CODE)
        value[CODE : CODE + NEAR, SAID] = self._short
        value[CODE + NEAR : begins, SAID] = self._short[:FAR]
        value[begins, ENDS] = 1
        mix.conv[:used] = 0
        mix.conv[:CODE, -1] = 1
        mix.conv[CODE : CODE + NEAR, -2] = 1
        mix.conv[CODE + NEAR : begins, -3] = 1
        mix.conv[begins, -3] = 1
        out = mix.out_proj.weight
        out[SAID, :CODE] = -torch.eye(CODE)
        out[SELF, :CODE] = torch.eye(CODE)
        out[BEFORE, CODE : CODE + NEAR] = torch.eye(NEAR)
        out[TWICE_BEFORE, CODE + NEAR : begins] = torch.eye(FAR)
        out[BEGINS, begins] = 1
        for at in range(3):
            self._keep("blk.0.mix.in_proj.weight", slice(at * width, at * width + used))
        self._keep("blk.0.mix.conv", slice(0, used))
        self._keep("blk.0.mix.out_proj.weight", SAID, slice(0, used))
        for where in (BEFORE, TWICE_BEFORE, BEGINS):
            self._keep("blk.0.mix.out_proj.weight", where)
            self._keep("blk.0.ffn_down.weight", where)
        self._keep("blk.0.attn_norm.weight", slice(0, LEARNT.start))

    def _second_layer(self) -> None:
        mix = self.model.blk[1].mix
        assert isinstance(mix, Attention)
        head = mix.head_width
        slow = [pair + side for side in (0, head // 2) for pair in range(FIRST_SLOW_PAIR, head // 2)][::-1]
        spare = FIRST_SLOW_PAIR - 1  # a pair that turns little too, for looking at the beginning
        one, two = slow[:NEAR], slow[NEAR : NEAR + FAR]
        q, k, v, out = mix.q.weight, mix.k.weight, mix.v.weight, mix.output.weight
        q[: 2 * head], k[: 2 * head], v[: 2 * head] = 0, 0, 0
        for mine in (0, head):
            k[[mine + at for at in one], BEFORE] = torch.eye(NEAR)
            k[[mine + at for at in two], TWICE_BEFORE] = torch.eye(FAR)
            k[mine + spare, SINK] = 1.0
            v[mine : mine + CODE, SELF] = torch.eye(CODE)
        q[one, SELF] = self._short
        q[two, BEFORE.start : BEFORE.start + FAR] = torch.eye(FAR)
        q[spare, CONSTANT] = LOOK_BACK / LEVEL
        q[[head + at for at in one], SELF] = self._short
        q[head + spare, CONSTANT] = LOOK_BACK_ALONE / LEVEL
        out[SAID, :CODE] = torch.eye(CODE)
        out[SAID, head : head + CODE] = ALONE * torch.eye(CODE)
        mix.q_norm.weight.fill_(INDUCTION_SHARPNESS)
        mix.k_norm.weight.fill_(INDUCTION_SHARPNESS)
        self._keep("blk.1.mix.q.weight", slice(0, 2 * head))
        self._keep("blk.1.mix.k.weight", slice(0, 2 * head))
        self._keep("blk.1.mix.v.weight", slice(0, 2 * head))
        self._keep("blk.1.mix.output.weight", SAID, slice(0, 2 * head))
        self._keep("blk.1.mix.q_norm.weight")
        self._keep("blk.1.mix.k_norm.weight")
        self._keep("blk.1.attn_norm.weight", slice(0, LEARNT.start))

    def _lines(self) -> None:
        """The third head of the second layer tells every token how its line begins."""
        mix = self.model.blk[1].mix
        assert isinstance(mix, Attention)
        head, half = mix.head_width, mix.head_width // 2
        q, k, v, out = mix.q.weight, mix.k.weight, mix.v.weight, mix.output.weight
        begin, spare = 2 * head, 2 * head + half + FIRST_SLOW_PAIR
        mine = slice(begin, begin + head)
        q[mine], k[mine], v[begin : begin + 2 * NEAR] = 0, 0, 0
        for pair, weight in RECENT.items():
            k[begin + pair, BEGINS] = 1
            q[begin + pair, CONSTANT] = weight
        k[spare, CONSTANT] = NO_LINE / LEVEL
        k[spare, SINK] = 1
        q[spare, CONSTANT] = NO_LINE_SOUGHT
        v[begin : begin + NEAR, BEFORE] = torch.eye(NEAR)
        v[begin + NEAR : begin + 2 * NEAR, SELF] = self._short
        out[:, mine] = 0
        out[FIRST, begin : begin + NEAR] = torch.eye(NEAR)
        out[SECOND, begin + NEAR : begin + 2 * NEAR] = torch.eye(NEAR)
        self._keep("blk.1.mix.q.weight", mine)
        self._keep("blk.1.mix.k.weight", mine)
        self._keep("blk.1.mix.v.weight", slice(begin, begin + 2 * NEAR))

    def _findings(self) -> None:
        """The third head of the third layer looks for the same token further up, and flags what it found."""
        mix = self.model.blk[2].mix
        assert isinstance(mix, Attention)
        head, half = mix.head_width, mix.head_width // 2
        slow = [pair + side for side in (0, half) for pair in range(FIRST_SLOW_PAIR, half)]
        begin = 2 * head
        mine, same, spare = slice(begin, begin + head), [begin + at for at in slow[:CODE]], begin + slow[CODE]
        q, k, v, out = mix.q.weight, mix.k.weight, mix.v.weight, mix.output.weight
        q[mine], k[mine], v[begin] = 0, 0, 0
        q[same, SELF] = torch.eye(CODE)
        k[same, SELF] = torch.eye(CODE)
        for pair in range(CLOSE_PAIRS):
            q[begin + pair, CONSTANT] = CLOSE / LEVEL
            k[begin + pair, CONSTANT] = -CLOSE / LEVEL
        k[spare, SINK] = 1
        q[spare, CONSTANT] = LOOK_BACK_FOUND / LEVEL
        v[begin, CONSTANT], v[begin, SINK] = 1 / LEVEL, -1 / SINK_LEVEL
        out[FLAG, begin] = 1
        mix.q_norm.weight.fill_(INDUCTION_SHARPNESS)
        mix.k_norm.weight.fill_(INDUCTION_SHARPNESS)
        self._keep("blk.2.mix.q.weight", mine)
        self._keep("blk.2.mix.k.weight", mine)
        self._keep("blk.2.mix.v.weight", begin)
        self._keep("blk.2.mix.q_norm.weight")
        self._keep("blk.2.mix.k_norm.weight")
        self._keep("blk.2.attn_norm.weight", slice(0, LEARNT.start))

    def _copies(self) -> None:
        """The first head of each later layer says the token it looks at."""
        for layer in self.model.of.attention[1:]:
            mix = self.model.blk[layer].mix
            assert isinstance(mix, Attention)
            mix.v.weight[:CODE] = 0
            mix.v.weight[:CODE, SELF] = torch.eye(CODE)
            mix.output.weight[SAID, :CODE] = torch.eye(CODE)
            self._keep(f"blk.{layer}.mix.v.weight", slice(0, CODE))
            self._keep(f"blk.{layer}.mix.output.weight", SAID, slice(0, CODE))

    def _fetching(self) -> None:
        """Heads of the last layer of attention but one fetch a word of the question, and what it is about."""
        layer = self.model.of.attention[-2]
        mix = self.model.blk[layer].mix
        assert isinstance(mix, Attention)
        word = slice(2 * mix.head_width, 2 * mix.head_width + NEAR)
        kind = slice(3 * mix.head_width, 3 * mix.head_width + NEAR)
        mix.v.weight[word] = 0
        mix.v.weight[word, SELF] = self._short
        mix.output.weight[KEY, word] = torch.eye(NEAR)
        mix.v.weight[kind] = 0
        mix.v.weight[kind, KIND] = torch.eye(NEAR)
        mix.output.weight[KIND, kind] = torch.eye(NEAR)
        for each in (word, kind):
            self._keep(f"blk.{layer}.mix.v.weight", each)
        self._keep(f"blk.{layer}.mix.output.weight", KIND, kind)

    def _looking_up(self) -> None:
        """The last two heads of the last layer find the line of that word, and say its first token and its second."""
        layer = self.model.of.attention[-1]
        mix = self.model.blk[layer].mix
        assert isinstance(mix, Attention)
        head, half = mix.head_width, mix.head_width // 2
        q, k, v, out = mix.q.weight, mix.k.weight, mix.v.weight, mix.output.weight
        slow = [pair + side for side in (0, half) for pair in range(FIRST_SLOW_PAIR, half)]
        for begin, told in ((2 * head, FIRST), (3 * head, SECOND)):
            word = [begin + at for at in slow[:NEAR]]
            kind = [begin + at for at in slow[NEAR : 2 * NEAR]]
            q[begin : begin + head] *= FAINT
            k[begin : begin + head] *= FAINT
            q[word + kind], k[word + kind] = 0, 0
            q[word, KEY] = SOUGHT * torch.eye(NEAR)
            k[word, SELF] = SOUGHT * self._short
            q[kind, KIND] = torch.eye(NEAR)
            k[kind, KIND] = torch.eye(NEAR)
            said = slice(begin, begin + NEAR)
            v[said] = 0
            v[said, told] = torch.eye(NEAR)
            out[SAID, said] = TOLD * self._short.T
            self._keep(f"blk.{layer}.mix.q.weight", word)
            self._keep(f"blk.{layer}.mix.k.weight", word)
            self._keep(f"blk.{layer}.mix.v.weight", said)
            self._keep(f"blk.{layer}.mix.output.weight", SAID, slice(begin, begin + head))

    def _kept_clear(self) -> None:
        """Nothing else writes where codes, the constant and the sink stand, nor where lines and words were found."""
        for name in self._masks:
            if name.endswith(("out_proj.weight", "mix.output.weight", "ffn_down.weight")):
                for where in (CONSTANT, SINK, ENDS, FLAG, SELF, FIRST, SECOND, KEY):
                    self._keep(name, where)
