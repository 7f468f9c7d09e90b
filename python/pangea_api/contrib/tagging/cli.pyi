# Made by scripts/stubs.py.
from selenite.dropin.pangea_api._options import State as State
from selenite.dropin.pangea_api._options import contrib_options as contrib_options
from selenite.dropin.pangea_api.contrib.tagging.cli import __all__ as __all__
from selenite.dropin.pangea_api.contrib.tagging.cli import _say as _say
from selenite.dropin.pangea_api.contrib.tagging.cli import _tag as _tag
from selenite.dropin.pangea_api.contrib.tagging.cli import cli_create_tag as cli_create_tag
from selenite.dropin.pangea_api.contrib.tagging.cli import cli_list as cli_list
from selenite.dropin.pangea_api.contrib.tagging.cli import cli_list_groups as cli_list_groups
from selenite.dropin.pangea_api.contrib.tagging.cli import cli_list_samples as cli_list_samples
from selenite.dropin.pangea_api.contrib.tagging.cli import cli_tag as cli_tag
from selenite.dropin.pangea_api.contrib.tagging.cli import cli_tag_group as cli_tag_group
from selenite.dropin.pangea_api.contrib.tagging.cli import cli_tag_samples as cli_tag_samples
from selenite.dropin.pangea_api.contrib.tagging.tag import Tag as Tag
from selenite.dropin.pangea_api.knex import Knex as Knex
from selenite.dropin.pangea_api.organization import Organization as Organization
from selenite.dropin.pangea_api.user import User as User
