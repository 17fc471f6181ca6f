"""Asking in OpenAI's shapes: chat completions and responses, answered from the caller's documents.

docs/openai-api.md has the table of what works and what is refused.
"""
