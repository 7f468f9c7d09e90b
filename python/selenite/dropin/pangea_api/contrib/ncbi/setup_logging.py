"""The log of this part."""

import logging

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())
