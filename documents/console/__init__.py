"""The console's pages about the library: for whoever runs it, who need not be able to read what is in it."""
