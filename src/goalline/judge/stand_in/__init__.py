"""A small local server in place of an LLM: it speaks chat completions and finds evidence by plain word matching."""

from goalline.judge.stand_in.faults import Fault
from goalline.judge.stand_in.matching import MODEL, answer
from goalline.judge.stand_in.server import StandIn, serve_forever

__all__ = ["MODEL", "Fault", "StandIn", "answer", "serve_forever"]
