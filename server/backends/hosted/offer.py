"""What the provider offers, as far as its list of models tells: the route's model, its price and its neighbours."""

from __future__ import annotations

from dataclasses import replace

from server.backends.base import Finish
from server.backends.hosted.listing import Listing, ModelInfo
from server.backends.hosted.target import Target


class Offer:
    """The list that one route's provider gave; nothing is known before it is there."""

    def __init__(self, target: Target) -> None:
        """`target` names the model."""
        self._model = target.asked.model
        self._takes_any_name = target.near  # servers of this house often have one model and pass over its name
        self._key_of_model = f"routes.{target.name}.model"
        self._listing = Listing()

    def update(self, listing: Listing) -> None:
        """Take the newest list; an empty one says nothing."""
        if listing.models:
            self._listing = listing

    @property
    def model(self) -> ModelInfo | None:
        """What is known about the route's model."""
        return self._listing.find(self._model)

    @property
    def lacks_model(self) -> bool:
        """True where there is a list, and the model is not in it."""
        return bool(self._listing.models) and self.model is None

    def hint(self) -> str:
        """What to do about a model that the list lacks; empty where nothing is wrong, or nothing is known."""
        if self._takes_any_name or not self.lacks_model:
            return ""
        return f"the provider does not list {self._model!r}; {self.alternatives()}"

    def alternatives(self) -> str:
        """What the list has instead, as a hint."""
        near = self._listing.near(self._model)
        listed = f"it has {', '.join(near)}" if near else "it lists nothing like it"
        return f"{listed}: set {self._key_of_model}"

    def priced(self, finish: Finish) -> Finish:
        """The end of a reply with its cost, where the provider did not name it but its list has the price."""
        usage, info = finish.usage, self._listing.models.get(finish.model) or self.model
        if usage.cost_usd is not None or not (usage.prompt or usage.reply) or info is None or info.price is None:
            return finish
        return replace(finish, usage=replace(usage, cost_usd=info.price.of(usage.prompt, usage.reply)))
