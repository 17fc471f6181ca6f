"""The library's part of the console."""
