"""What is minimised: what the model says wrong, and where it looks wrong."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.batches import Batch
from training.copying import KIND, NEAR
from training.encoder import KEY, LABELS, SAID, SOUGHT, TOPICS
from training.model import Lfm2

OTHERS_COUNT = 0.2
SOUGHT_COUNTS = 3.0
LOOKS_COUNT = 0.2
LABELS_COUNT = 0.2
"""How much what others say counts, the first two tokens of a line that is told, looking at the right place, and knowing
what is spoken of and how."""


class Reader(nn.Module):
    """Reads topics and manners from what the model has in mind; it is not part of the model."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.topic = nn.Linear(NEAR, len(TOPICS))
        self.manner = nn.Linear(width, len(LABELS) - len(TOPICS))

    def loss(self, model: Lfm2, batch: Batch, inputs: list[Tensor]) -> Tensor:
        """The mean cross-entropy of topics, plus that of manners, and how little is looked at what tells the topic.

        What tells it is read before the layer that fetches, what was told it after that.
        """
        fetch, find = model.of.attention[-2:]
        talks, at, label, told_by = batch.labels.T
        is_topic, is_told = label < len(TOPICS), told_by >= 0
        x = torch.where(is_told[:, None], inputs[find][talks, at], inputs[fetch][talks, at])
        found = F.rms_norm(x, (x.shape[-1],)).float()
        topics = F.cross_entropy(self.topic(found[is_topic][:, KIND]), label[is_topic])
        manners = F.cross_entropy(self.manner(found[~is_topic]), label[~is_topic] - len(TOPICS))
        scores = model.scores(fetch, inputs[fetch], batch.labels[is_told, :2])[:, 1]
        right = torch.arange(scores.shape[1]) == told_by[is_told, None]
        return topics + manners + _missed(scores, right)


def loss_of(model: Lfm2, reader: Reader, batch: Batch) -> tuple[Tensor, Tensor]:
    """What is minimised, and the mean cross-entropy of the model's own words alone, each from what stands before it.

    What others say counts a little: names and things come again in it, and looking them up is learnt from that first.
    Where a line begins to be told counts more: all the rest is copied from there.
    """
    inputs: list[Tensor] = []
    hidden = model(batch.ids, inputs)
    kinds = (batch.marks & 3)[:, 1:]
    wanted = kinds > 0
    losses = F.cross_entropy(model.logits(hidden[:, :-1][wanted]).float(), batch.ids[:, 1:][wanted], reduction="none")
    kinds = kinds[wanted]
    said = kinds >= SAID
    own = losses[said]
    weights = 1.0 + (SOUGHT_COUNTS - 1.0) * (kinds[said] == SOUGHT)
    loss = (own * weights).sum() / weights.sum()
    others = losses[~said]
    if len(others):
        loss = loss + OTHERS_COUNT * others.mean()
    if len(batch.lookups):
        loss = loss + LOOKS_COUNT * looks_loss(model, batch, inputs)
    if len(batch.copies):
        loss = loss + LOOKS_COUNT * copies_loss(model, batch, inputs)
    loss = loss + LABELS_COUNT * reader.loss(model, batch, inputs)
    return loss, own.mean().detach()


def looks_loss(model: Lfm2, batch: Batch, inputs: list[Tensor]) -> Tensor:
    """How little the heads that look things up look where they should: minus the logarithm of the share that is right.

    Where a line begins to be told, the one that fetches looks at the words of the question which that line holds, and
    those that find look at the line: the third head before its first token, the fourth before its second. What has
    nothing to do looks at the beginning of the text, and so do all before a reply that no line can tell.
    """
    fetch, find = model.of.attention[-2:]
    talks, first, begin, end, question = batch.lookups.T
    where = torch.cat((torch.stack((talks, first)), torch.stack((talks, first + 1))), dim=1).T
    places = torch.arange(batch.ids.shape[1])
    keys = (batch.marks[talks] & KEY > 0) & (places >= question[:, None]) & (places <= first[:, None])
    line = (places > begin[:, None]) & (places < end[:, None])
    nothing = (places == 0).expand_as(line)
    keys = torch.where(keys.any(dim=1, keepdim=True), keys, nothing)
    fetched = _missed(model.scores(fetch, inputs[fetch], where)[:, 0], keys.repeat(2, 1))
    found = model.scores(find, inputs[find], where)
    one = _missed(found[:, 0], torch.cat((line, nothing)))
    two = _missed(found[:, 1], torch.cat((nothing, line)))
    return fetched + one + two


def copies_loss(model: Lfm2, batch: Batch, inputs: list[Tensor]) -> Tensor:
    """How little the first head of the last layer of attention looks at what is to be said next, wherever it stands."""
    find = model.of.attention[-1]
    where, row = torch.unique(batch.copies[:, :2], dim=0, return_inverse=True)
    scores = model.scores(find, inputs[find], where, first=0)[:, 0]
    right = torch.zeros(scores.shape, dtype=torch.bool)
    right[row, batch.copies[:, 2]] = True
    return _missed(scores, right)


def _missed(scores: Tensor, right: Tensor) -> Tensor:
    """The mean of minus the logarithm of the share of attention, (places, tokens), that is where it is right."""
    share = scores.masked_fill(~right, -torch.inf).logsumexp(dim=1) - scores.logsumexp(dim=1)
    return -share.mean()
