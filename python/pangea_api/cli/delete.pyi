# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.cli.constants import NANOPORE as NANOPORE
from selenite.dropin.pangea_api.cli.constants import PAIRED_END as PAIRED_END
from selenite.dropin.pangea_api.cli.constants import READ_MODULE_NAMES as READ_MODULE_NAMES
from selenite.dropin.pangea_api.cli.constants import SINGLE_END as SINGLE_END
from selenite.dropin.pangea_api.cli.delete import __all__ as __all__
from selenite.dropin.pangea_api.cli.delete import _delete as _delete
from selenite.dropin.pangea_api.cli.delete import cli_delete as cli_delete
from selenite.dropin.pangea_api.cli.delete import cli_delete_group as cli_delete_group
from selenite.dropin.pangea_api.cli.delete import cli_delete_group_result as cli_delete_group_result
from selenite.dropin.pangea_api.cli.delete import cli_delete_sample as cli_delete_sample
from selenite.dropin.pangea_api.cli.delete import cli_delete_sample_result as cli_delete_sample_result
from selenite.dropin.pangea_api.cli.delete import cli_delete_samples as cli_delete_samples
from selenite.dropin.pangea_api.cli.utils import State as State
from selenite.dropin.pangea_api.cli.utils import common_options as common_options
from selenite.dropin.pangea_api.cli.utils import use_common_state as use_common_state
from selenite.dropin.pangea_api.knex import Knex as Knex
from selenite.dropin.pangea_api.organization import Organization as Organization
