"""What is told of contacts: a profile, the state, and everything there is as an export."""

from datetime import datetime
from typing import Literal
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel

from goalline.store.contacts.contacts import Completions, Named, Profile

State = Literal["active", "deactivated"]


class ContactState(BaseModel):
    """Whether anything more is recorded of a contact, and if not, since when."""

    contact_id: str
    state: State
    deactivated_at: datetime | None

    @classmethod
    def of(cls, contact_id: str, deactivated_at: datetime | None) -> "ContactState":
        """Return a contact's state as it is shown."""
        return cls(contact_id=contact_id, state=_state(deactivated_at), deactivated_at=deactivated_at)


class NamedConversation(BaseModel):
    """A conversation of a contact. `agent_id` is null while nobody has said it, `ended_at` while it goes on."""

    id: UUID
    conversation_id: str
    agent_id: str | None
    ended_at: datetime | None

    @classmethod
    def of(cls, named: Named) -> "NamedConversation":
        """Return a conversation as a profile names it."""
        return cls(id=named.id, conversation_id=named.conversation_id, agent_id=named.agent_id, ended_at=named.ended_at)


class ConversationsOfContact(BaseModel):
    """How many conversations there are, the latest 50 of them, and the address that lists all that have ended."""

    count: int
    latest: list[NamedConversation]
    all: str


class GoalReference(BaseModel):
    """A goal, by the name it has now."""

    id: UUID
    name: str


class CompletedGoal(BaseModel):
    """How many cycles of a goal a contact has completed, and when the first and the last one."""

    goal: GoalReference
    completed: int
    first_at: datetime
    last_at: datetime

    @classmethod
    def of(cls, found: Completions) -> "CompletedGoal":
        """Return the completions of a goal as they are shown."""
        goal = {"id": found.goal_id, "name": found.name}
        return cls.model_validate(
            {"goal": goal, "completed": found.completed, "first_at": found.first_at, "last_at": found.last_at}
        )


class CompletedTask(BaseModel):
    """How often a contact has completed a task, and when for the first and for the last time."""

    name: str
    completed: int
    first_at: datetime
    last_at: datetime

    @classmethod
    def of(cls, found: Completions) -> "CompletedTask":
        """Return the completions of a task as they are shown."""
        return cls(name=found.name, completed=found.completed, first_at=found.first_at, last_at=found.last_at)


class ContactOut(ContactState):
    """What is known of a contact."""

    conversations: ConversationsOfContact
    completed_goals: list[CompletedGoal]
    tasks: list[CompletedTask]

    @classmethod
    def of_profile(cls, profile: Profile) -> "ContactOut":
        """Return a profile as it is shown."""
        address = f"/v1/conversations?contact={quote(profile.contact_id, safe='')}"
        return cls(
            contact_id=profile.contact_id,
            state=_state(profile.deactivated_at),
            deactivated_at=profile.deactivated_at,
            conversations=ConversationsOfContact(
                count=profile.conversations, latest=[NamedConversation.of(one) for one in profile.latest], all=address
            ),
            completed_goals=[CompletedGoal.of(one) for one in profile.goals],
            tasks=[CompletedTask.of(one) for one in profile.tasks],
        )


def _state(deactivated_at: datetime | None) -> State:
    return "active" if deactivated_at is None else "deactivated"
