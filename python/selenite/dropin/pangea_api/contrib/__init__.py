"""What stands on the client: tags, and records of NCBI."""
