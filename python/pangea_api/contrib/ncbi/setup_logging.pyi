# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.contrib.ncbi.setup_logging import logger as logger
