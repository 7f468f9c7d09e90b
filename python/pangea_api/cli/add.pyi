# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.cli.add import __all__ as __all__
from selenite.dropin.pangea_api.cli.add import cli_add as cli_add
from selenite.dropin.pangea_api.cli.add import cli_add_samples as cli_add_samples
from selenite.dropin.pangea_api.cli.utils import State as State
from selenite.dropin.pangea_api.cli.utils import common_options as common_options
from selenite.dropin.pangea_api.cli.utils import lines_of as lines_of
from selenite.dropin.pangea_api.cli.utils import use_common_state as use_common_state
from selenite.dropin.pangea_api.knex import Knex as Knex
from selenite.dropin.pangea_api.organization import Organization as Organization
from selenite.dropin.pangea_api.user import User as User
