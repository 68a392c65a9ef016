"""The sender: the only folder that calls the addresses that outbound webhooks go to."""
