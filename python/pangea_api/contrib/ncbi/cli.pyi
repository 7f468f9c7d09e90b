# Made by scripts/stubs.py.
from selenite.dropin.pangea_api._options import State as State
from selenite.dropin.pangea_api._options import contrib_options as contrib_options
from selenite.dropin.pangea_api.contrib.ncbi.api import create_pangea_group_from_bioproj as create_pangea_group_from_bioproj
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import BioProject as BioProject
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import SRARecord as SRARecord
from selenite.dropin.pangea_api.contrib.ncbi.cli import __all__ as __all__
from selenite.dropin.pangea_api.contrib.ncbi.cli import cli_link as cli_link
from selenite.dropin.pangea_api.contrib.ncbi.cli import cli_link_bioproject as cli_link_bioproject
from selenite.dropin.pangea_api.contrib.ncbi.cli import cli_list as cli_list
from selenite.dropin.pangea_api.contrib.ncbi.cli import cli_list_bioproject as cli_list_bioproject
from selenite.dropin.pangea_api.contrib.ncbi.cli import cli_list_sra as cli_list_sra
from selenite.dropin.pangea_api.contrib.ncbi.cli import cli_ncbi as cli_ncbi
from selenite.dropin.pangea_api.knex import Knex as Knex
from selenite.dropin.pangea_api.organization import Organization as Organization
from selenite.dropin.pangea_api.user import User as User
