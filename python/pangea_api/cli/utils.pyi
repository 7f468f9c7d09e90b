# Made by scripts/stubs.py.
from selenite.dropin.pangea_api._options import State as State
from selenite.dropin.pangea_api._options import common_options as common_options
from selenite.dropin.pangea_api._options import email_option as email_option
from selenite.dropin.pangea_api._options import endpoint_option as endpoint_option
from selenite.dropin.pangea_api._options import is_uuid as is_uuid
from selenite.dropin.pangea_api._options import lines_of as lines_of
from selenite.dropin.pangea_api._options import outfile_option as outfile_option
from selenite.dropin.pangea_api._options import password_option as password_option
from selenite.dropin.pangea_api._options import use_common_state as use_common_state
from selenite.dropin.pangea_api.cli.utils import __all__ as __all__
from selenite.dropin.pangea_api.knex import Knex as Knex
from selenite.dropin.pangea_api.user import User as User
