# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.user import User as User
from selenite.dropin.pangea_api.user import logger as logger
