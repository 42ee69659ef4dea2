"""Suppliers to facts: proves a callback, reads it, and records what it states, or why it was refused."""
