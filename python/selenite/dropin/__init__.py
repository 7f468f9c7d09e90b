"""The code of the drop-in packages; each is imported by the name of its original."""
