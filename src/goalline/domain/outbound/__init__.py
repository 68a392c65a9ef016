"""Outbound webhooks: what others subscribe to, what they are told, and how patiently."""
