"""The loop that plans, acts, reads back and waits: knows no kind by name."""
