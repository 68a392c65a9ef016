"""Posts bodies one after the other, as a process of its own: `python -m tests.e2e.sender URL KEY FILE`.

Each line of the file is a path, a space and a body. Written out is, as JSON, how often each status was answered, and
what became of the events.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import httpx2


def main(url: str, key: str, file: str) -> None:
    statuses: Counter[str] = Counter()
    events = Counter(accepted=0, duplicates=0, rejected=0)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with httpx2.Client(base_url=url, headers=headers, timeout=300, trust_env=False) as client:
        for line in Path(file).read_text().splitlines():
            path, body = line.split(" ", 1)
            answer = client.post(path, content=body.encode())
            statuses[str(answer.status_code)] += 1
            if path == "/v1/events" and answer.is_success:
                told = answer.json()
                events.update(accepted=told["accepted"], duplicates=told["duplicates"], rejected=len(told["rejected"]))
    sys.stdout.write(json.dumps({"statuses": statuses, "events": events}))


if __name__ == "__main__":
    main(*sys.argv[1:])
