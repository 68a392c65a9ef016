"""The judge: the only folder that talks to an LLM; importing it costs nothing until a judge is built."""
