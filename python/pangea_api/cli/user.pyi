# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.cli.user import __all__ as __all__
from selenite.dropin.pangea_api.cli.user import cli_user as cli_user
from selenite.dropin.pangea_api.cli.user import cli_user_change_password as cli_user_change_password
from selenite.dropin.pangea_api.cli.user import cli_user_info as cli_user_info
from selenite.dropin.pangea_api.cli.utils import State as State
from selenite.dropin.pangea_api.cli.utils import common_options as common_options
from selenite.dropin.pangea_api.cli.utils import use_common_state as use_common_state
from selenite.dropin.pangea_api.knex import Knex as Knex
from selenite.dropin.pangea_api.organization import Organization as Organization
from selenite.dropin.pangea_api.user import User as User
