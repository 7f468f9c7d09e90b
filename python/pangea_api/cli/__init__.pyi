# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.cli import __all__ as __all__
from selenite.dropin.pangea_api.cli.main import main as main
