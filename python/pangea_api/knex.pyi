# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.file_system_cache import FileSystemCache as FileSystemCache
from selenite.dropin.pangea_api.knex import DEFAULT_ENDPOINT as DEFAULT_ENDPOINT
from selenite.dropin.pangea_api.knex import Knex as Knex
from selenite.dropin.pangea_api.knex import PangeaForbiddenError as PangeaForbiddenError
from selenite.dropin.pangea_api.knex import PangeaGeneralError as PangeaGeneralError
from selenite.dropin.pangea_api.knex import PangeaInternalError as PangeaInternalError
from selenite.dropin.pangea_api.knex import PangeaNotFoundError as PangeaNotFoundError
from selenite.dropin.pangea_api.knex import PangeaOtherError as PangeaOtherError
from selenite.dropin.pangea_api.knex import TokenAuth as TokenAuth
from selenite.dropin.pangea_api.knex import _ERRORS as _ERRORS
from selenite.dropin.pangea_api.knex import _LONGEST_DETAIL as _LONGEST_DETAIL
from selenite.dropin.pangea_api.knex import _detail as _detail
from selenite.dropin.pangea_api.knex import clean_url as clean_url
from selenite.dropin.pangea_api.knex import error_of as error_of
from selenite.dropin.pangea_api.knex import logger as logger
