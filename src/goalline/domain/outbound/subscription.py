"""Subscriptions: who is told what, where, and in which form."""

from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from goalline.domain.outbound.message import MessageType
from goalline.domain.text import Line

MOST_SUBSCRIPTIONS = 50
"""Most subscriptions of a project: each of them is a row more for each thing that happens."""

MOST_CONVERSATIONS = 1_000
"""Most conversations over which a rate is watched."""

_LONGEST_URL = 2_000
_RECOVERY = 0.05
_HTTP_URL: TypeAdapter[HttpUrl] = TypeAdapter(HttpUrl)

SUBSCRIBED = tuple(kind for kind in MessageType if kind is not MessageType.SUBSCRIPTION_TESTED)
"""What can be subscribed to."""


def _receivable(url: str) -> str:
    # The message must not repeat the address: what leads to a receiver is often a secret.
    try:
        parsed = _HTTP_URL.validate_python(url)
    except ValidationError:
        raise ValueError(
            "must be an address that begins with https:// (or http://, in a network of your own)"
        ) from None
    if parsed.username or parsed.password:
        raise ValueError("must not hold a user or a password: messages are signed instead")
    if parsed.fragment:
        raise ValueError("must not hold a fragment (#...): it is never sent")
    return str(parsed)


def _subscribable(types: tuple[MessageType, ...]) -> tuple[MessageType, ...]:
    if unknown := [kind for kind in types if kind not in SUBSCRIBED]:
        raise ValueError(f"{unknown[0]} is sent on request and to nobody else")
    return tuple(kind for kind in SUBSCRIBED if kind in types)


_SHOWN_URL = WithJsonSchema(
    {
        "type": "string",
        "maxLength": _LONGEST_URL,
        "pattern": r"^https?://[^\s#]+$",
        "examples": ["https://example.com/webhooks"],
    }
)
_SHOWN_TYPE = WithJsonSchema({"type": "string", "enum": [str(kind) for kind in SUBSCRIBED]})

Url = Annotated[str, Field(max_length=_LONGEST_URL), AfterValidator(_receivable), _SHOWN_URL]
Types = Annotated[
    tuple[Annotated[MessageType, _SHOWN_TYPE], ...], Field(min_length=1, max_length=20), AfterValidator(_subscribable)
]


class RateRule(BaseModel):
    """When an agent's success rate counts as dropped, and when as recovered.

    It has dropped when fewer than `threshold` of the last `conversations` verdicts on primary goals are `achieved`, and
    recovered at `recovery`, which is 0.05 above the threshold (at most 1) unless said otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: Annotated[float, Field(gt=0, le=1)]
    conversations: Annotated[int, Field(ge=5, le=MOST_CONVERSATIONS)] = 50
    recovery: Annotated[float, Field(gt=0, le=1)] | None = None

    @property
    def recovers_at(self) -> float:
        """The rate from which on it counts as recovered."""
        return min(self.threshold + _RECOVERY, 1.0) if self.recovery is None else self.recovery

    @model_validator(mode="after")
    def _recovers_above(self) -> Self:
        if self.recovers_at < self.threshold:
            raise ValueError("recovery must not be below threshold: the alarm would be raised and taken back in turns")
        return self


class SubscriptionDraft(BaseModel):
    """A subscription as an admin describes it. Without a secret one is made.

    With `agent_id` it is told of that agent alone. With `thin` no words of anybody are sent: outcomes without rationale
    and quotes, and no contact.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    url: Url = Field(repr=False)
    types: Types
    agent_id: Line | None = None
    thin: bool = False
    rate: RateRule | None = None
    secret: str | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _rate_fits(self) -> Self:
        if why := misfit(self.types, self.rate):
            raise ValueError(why)
        return self


class SubscriptionEdit(BaseModel):
    """A change of a subscription; what is left out stays as it is. Secrets are rotated instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line | None = None
    url: Url | None = Field(default=None, repr=False)
    types: Types | None = None
    agent_id: Line | None = None
    thin: bool | None = None
    rate: RateRule | None = None
    enabled: bool | None = None


def misfit(types: tuple[MessageType, ...], rate: RateRule | None) -> str | None:
    """Return what is wrong with a rule beside the types that it stands with; None where they fit."""
    if MessageType.RATE_DROPPED in types and rate is None:
        return 'rate.dropped needs to know when: add "rate": {"threshold": 0.6, "conversations": 50}'
    if MessageType.RATE_DROPPED not in types and rate is not None:
        return "rate says when rate.dropped is sent, which is not among the types"
    return None
