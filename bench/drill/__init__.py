"""The drill: breaks everything around Goalline while work comes in, and then counts what is left.

    make drill                        PostgreSQL and Redis, started privately
    make drill ARGS="--seed 7"        the same plan again
    make drill ARGS=--embedded        SQLite, one `goalline serve`

`load` sends, `ledger` remembers what was accepted, `faults` breaks, `plant` runs what is broken, `model` stands in for
the LLM and keeps a journal of what it was asked, `promises` compares database, journal and ledger, `report` shows it.
`redelivery` is a measurement of its own.
"""
