"""Measure the verdicts on sentences with real documents: true sentences, planted faults, and sentences by hand.

The word lists here were written without a look at those of `chat.verification`, and half of the documents are kept
out of sight while that is tuned. Run `python -m tests.proof`; it is no test that passes or fails.
"""
