# Made by scripts/stubs.py.
from selenite.dropin.girder_client._bodies import _ALWAYS as _ALWAYS
from selenite.dropin.girder_client._bodies import _FREE as _FREE
from selenite.dropin.girder_client._bodies import _own as _own
from selenite.dropin.girder_client._bodies import is_plain as is_plain
from selenite.dropin.girder_client._bodies import own_method as own_method
from selenite.dropin.girder_client._bodies import remember as remember
