"""Status and history to people: current statuses by filter and page, and one message's timeline."""
