"""Names of results that are reads."""

PAIRED_END = "raw::paired_short_reads"
SINGLE_END = "raw::single_short_reads"
NANOPORE = "raw::basecalled_nanopore_reads"
READ_MODULE_NAMES = [PAIRED_END, SINGLE_END, NANOPORE]
