# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._asking import _is_interactive as _is_interactive
from selenite.dropin.gypsum_client._asking import is_notebook as is_notebook
