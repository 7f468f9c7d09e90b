# Made by scripts/stubs.py.
from selenite.dropin.pangea_api._local import download_field as download_field
from selenite.dropin.pangea_api._local import fields_of as fields_of
from selenite.dropin.pangea_api._local import placed as placed
from selenite.dropin.pangea_api._local import write_blob as write_blob
from selenite.dropin.pangea_api.cli.download import __all__ as __all__
from selenite.dropin.pangea_api.cli.download import _setup_download as _setup_download
from selenite.dropin.pangea_api.cli.download import cli_download as cli_download
from selenite.dropin.pangea_api.cli.download import cli_download_metadata as cli_download_metadata
from selenite.dropin.pangea_api.cli.download import cli_download_sample_results as cli_download_sample_results
from selenite.dropin.pangea_api.cli.utils import State as State
from selenite.dropin.pangea_api.cli.utils import common_options as common_options
from selenite.dropin.pangea_api.cli.utils import lines_of as lines_of
from selenite.dropin.pangea_api.cli.utils import use_common_state as use_common_state
from selenite.dropin.pangea_api.knex import Knex as Knex
from selenite.dropin.pangea_api.organization import Organization as Organization
from selenite.dropin.pangea_api.user import User as User
