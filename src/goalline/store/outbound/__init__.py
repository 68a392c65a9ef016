"""Outbound webhooks as they are stored: who is told, what there is to tell, and what became of it."""
