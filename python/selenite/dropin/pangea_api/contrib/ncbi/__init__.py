"""Records of NCBI as groups and samples. It needs `biopython`."""
