# Made by scripts/stubs.py.
from selenite.dropin.girder_client._jsonemitter import _Context as _Context
from selenite.dropin.girder_client._jsonemitter import _JSONEmitter as _JSONEmitter
