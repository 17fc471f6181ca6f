"""Many questions at once: from a file to a file, or as a batch that workers answer one after another."""
