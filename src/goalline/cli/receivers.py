"""The check of `goalline doctor` that looks at who is told what happens: can they be told, and do they listen."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from goalline.bootstrap import Services
from goalline.cli.examining import Finding, State
from goalline.cli.opening import kind
from goalline.cli.tables import minute
from goalline.store import secrets
from goalline.store.outbound import subscriptions
from goalline.store.tables import Subscription
from goalline.telemetry.bounded import within
from goalline.worker import utc_now

_SECONDS = 10.0
_LONG = timedelta(hours=1)


def receivers(parts: Services) -> Iterator[Finding]:
    """Check that every subscription's secrets can be read, and that its receiver takes what it is told."""
    try:
        found = within(_SECONDS, lambda: _every(parts))
    except Exception as error:
        yield Finding("receivers", State.WARNING, f"cannot be read ({kind(error)})", "see the database above")
        return
    findings = [finding for row in found for finding in (*_secrets(parts, row), *_receiver(row))]
    yield from findings
    if found and not findings:
        many = "1 subscription" if len(found) == 1 else f"{len(found):,} subscriptions"
        yield Finding("receivers", State.OK, f"{many}; secrets open, and no receiver fails for long")


def _every(parts: Services) -> Sequence[Subscription]:
    with parts.database.reading() as session:
        return subscriptions.every(session)


def _secrets(parts: Services, row: Subscription) -> Iterator[Finding]:
    if not secrets.are_readable(parts.vault, row.id, row.sealed):
        told = f"the secret of subscription {row.name!r} does not open, so it is told nothing"
        advice = (
            "add the key that it was stored with to GOALLINE_ENCRYPTION_KEYS, or give it a new one: "
            f"goalline subscriptions rotate {row.name!r} --overlap-hours 0"
        )
        yield Finding("receivers", State.WRONG, told, advice)


def _receiver(row: Subscription) -> Iterator[Finding]:
    if row.disabled_because:
        told = f"subscription {row.name!r} is disabled: {row.disabled_because}"
        advice = f"put the receiver right, then: goalline subscriptions enable {row.name!r}"
        yield Finding("receivers", State.WARNING, told, advice)
    elif row.enabled and row.failing_since and utc_now() - row.failing_since > _LONG:
        since = f"{minute(row.failing_since)} UTC ({row.failures:,} attempts)"
        told = f"subscription {row.name!r} has taken nothing since {since}"
        advice = f"see what it answers: goalline subscriptions messages {row.name!r} --status waiting"
        yield Finding("receivers", State.WARNING, told, advice)
