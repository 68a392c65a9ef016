"""The conversation that the benchmarks judge, and its goals: sample data."""

from typing import Any

GOALS = [
    ("Appointment booked", "An appointment was booked for the caller and the agent said that it is booked."),
    ("Price told", "The agent told the caller what the appointment costs."),
    ("Reminder offered", "The agent offered to send a reminder before the appointment."),
    ("Address given", "The agent told the caller a street address."),
    ("Further help offered", "The agent asked whether there is anything else to do for the caller."),
]
TURNS = [
    {"role": "agent", "text": "Good morning, this is the sample clinic. How can I help you today?"},
    {"role": "user", "text": "I would like to have an appointment next week, on Monday or on Tuesday if possible."},
    {"role": "agent", "text": "On Monday there is a slot at nine and another one at a quarter past four."},
    {"role": "user", "text": "Nine is too early for me, and what would it cost to come in the afternoon?"},
] * 9 + [
    {"role": "agent", "text": "It costs 40 dollars. I have booked your appointment for Monday at a quarter past four."},
    {"role": "user", "text": "Thank you, that is all that I wanted."},
    {"role": "agent", "text": "Is there anything else I can help you with?"},
    {"role": "user", "text": "No, goodbye."},
]


def conversation(number: int) -> dict[str, Any]:
    """Return the body of POST /v1/conversations for the conversation of this number."""
    return {
        "conversation_id": f"bench-{number}",
        "agent_id": "bench",
        "ended_at": "2999-01-01T00:00:00Z",
        "transcript": TURNS,
    }
