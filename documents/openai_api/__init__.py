"""The library in OpenAI's shapes: files, vector stores, embeddings and models, for clients that know nothing else.

A file is a document in the caller's private collection, a vector store is a collection. docs/openai-api.md has the
table of what works and what is refused.
"""
