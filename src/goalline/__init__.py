"""Goalline tells the owner of an AI phone or chat agent whether each conversation did what it was for.

The way through the package, from the outside in:

- `cli`        the commands: serve, worker, demo, judge, ...
- `api`        HTTP: the JSON contract under /v1 and the pages
- `worker`     the bell (Dramatiq), one actor, and the ticker that sweeps
- `bootstrap`  puts the parts together: the only place that chooses real or stand-in
- `pipeline`   the story: receive, evaluate, complete, deliver, sweep
- `upkeep`     what admins ask for beside it, and what is cleared away: retry, redeliver, retain, erase
- `store`      the database: tables, named queries, migrations
- `judge`      the LLM: prompt, client, prices, and the stand-in model
- `sender`     outbound webhooks: where they may go, and what came of each
- `domain`     the rules, pure: transcripts, goals, verdicts, grounding, rates

Imports point down this list only. `settings`, `telemetry` and `resources` are leaves that anyone may use.
"""

__version__ = "0.1.0"
