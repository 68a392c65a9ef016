"""What the metrics say, for tests: the process counts on from test to test, so only differences tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from goalline.telemetry import metrics

Sample = tuple[str, Mapping[str, str]]


def samples(text: str) -> dict[str, float]:
    """Return the values of an exposition by their series, as in `name{label="value"}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def now() -> dict[str, float]:
    """Return every series of this process."""
    return samples(metrics.text(None).decode())


@dataclass
class Since:
    """What was counted since this was made."""

    before: dict[str, float] = field(default_factory=now)

    def counted(self, prefix: str = "goalline_") -> dict[str, float]:
        """Return the series that grew and by how much, those of histograms' bounds and the database's left out."""
        after = now()
        grown = {name: value - self.before.get(name, 0.0) for name, value in after.items() if name.startswith(prefix)}
        return {name: more for name, more in grown.items() if more and "_bucket" not in name and "_sum" not in name}
