"""What `goalline doctor` asks a database: whether it takes writes, and whether its clock is ours."""

from datetime import datetime

from sqlalchemy import false, func, select, update

from goalline.store.database import Database
from goalline.store.tables import Evaluation, table


def require_writable(database: Database) -> None:
    """Do nothing where a row of ours could be changed; none is.

    Raises:
        Exception: the driver's own: the file, the server or the user's rights are for reading only.
    """
    evaluation = table(Evaluation)
    with database.transaction() as session:
        session.execute(update(evaluation).values(number=evaluation.c.number).where(false()))


def clock(database: Database) -> datetime | None:
    """Return the time by the database's own clock; None for SQLite, which has none but this machine's."""
    if database.is_sqlite:
        return None
    with database.reading() as session:
        at: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return at
