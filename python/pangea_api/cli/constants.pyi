# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.cli.constants import NANOPORE as NANOPORE
from selenite.dropin.pangea_api.cli.constants import PAIRED_END as PAIRED_END
from selenite.dropin.pangea_api.cli.constants import READ_MODULE_NAMES as READ_MODULE_NAMES
from selenite.dropin.pangea_api.cli.constants import SINGLE_END as SINGLE_END
