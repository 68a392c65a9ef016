"""The whole schema, one file for each group of tables."""

from goalline.store.tables.columns import NAMING, NanoDollars, Row, StepList, table
from goalline.store.tables.conversations import Conversation, Evaluation, Verdict, is_open, is_queued
from goalline.store.tables.goals import Goal, GoalPeriod, GoalRevision
from goalline.store.tables.outbound import Attempt, Message, RateAlarm, Subscription, is_untold
from goalline.store.tables.rollups import ConversationRollup, ErasedTrackRollup, TrackRollup, VerdictRollup
from goalline.store.tables.sources import Source
from goalline.store.tables.tenants import ApiKey, Project
from goalline.store.tables.tracks import Cycle, DeactivatedContact, DeletedStep, Path, PathTaken, StepEvent

__all__ = [
    "NAMING",
    "ApiKey",
    "Attempt",
    "Conversation",
    "ConversationRollup",
    "Cycle",
    "DeactivatedContact",
    "DeletedStep",
    "ErasedTrackRollup",
    "Evaluation",
    "Goal",
    "GoalPeriod",
    "GoalRevision",
    "Message",
    "NanoDollars",
    "Path",
    "PathTaken",
    "Project",
    "RateAlarm",
    "Row",
    "Source",
    "StepEvent",
    "StepList",
    "Subscription",
    "TrackRollup",
    "Verdict",
    "VerdictRollup",
    "is_open",
    "is_queued",
    "is_untold",
    "table",
]
