"""The whole schema, one file for each group of tables."""

from goalline.store.tables.columns import NAMING, NanoDollars, Row, StepList, table
from goalline.store.tables.conversations import Conversation, Evaluation, Verdict
from goalline.store.tables.goals import Goal, GoalPeriod, GoalRevision
from goalline.store.tables.rollups import ConversationRollup, VerdictRollup
from goalline.store.tables.tenants import ApiKey, Project

__all__ = [
    "NAMING",
    "ApiKey",
    "Conversation",
    "ConversationRollup",
    "Evaluation",
    "Goal",
    "GoalPeriod",
    "GoalRevision",
    "NanoDollars",
    "Project",
    "Row",
    "StepList",
    "Verdict",
    "VerdictRollup",
    "table",
]
