# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.cli.add import cli_add as cli_add
from selenite.dropin.pangea_api.cli.create import cli_create as cli_create
from selenite.dropin.pangea_api.cli.delete import cli_delete as cli_delete
from selenite.dropin.pangea_api.cli.download import cli_download as cli_download
from selenite.dropin.pangea_api.cli.list import cli_list as cli_list
from selenite.dropin.pangea_api.cli.main import _ALSO_EXPECTED as _ALSO_EXPECTED
from selenite.dropin.pangea_api.cli.main import _EXPECTED as _EXPECTED
from selenite.dropin.pangea_api.cli.main import _Main as _Main
from selenite.dropin.pangea_api.cli.main import _VERSION as _VERSION
from selenite.dropin.pangea_api.cli.main import main as main
from selenite.dropin.pangea_api.cli.main import version as version
from selenite.dropin.pangea_api.cli.upload import cli_upload as cli_upload
from selenite.dropin.pangea_api.cli.user import cli_user as cli_user
from selenite.dropin.pangea_api.contrib.ncbi.cli import cli_ncbi as cli_ncbi
from selenite.dropin.pangea_api.contrib.tagging.cli import cli_tag as cli_tag
from selenite.dropin.pangea_api.remote_object import RemoteObjectError as RemoteObjectError
