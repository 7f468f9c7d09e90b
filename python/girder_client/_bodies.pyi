# Made by scripts/stubs.py.
from selenite.dropin.girder_client._bodies import _ALWAYS as _ALWAYS
from selenite.dropin.girder_client._bodies import _FREE as _FREE
from selenite.dropin.girder_client._bodies import _access as _access
from selenite.dropin.girder_client._bodies import _again as _again
from selenite.dropin.girder_client._bodies import _download as _download
from selenite.dropin.girder_client._bodies import _own as _own
from selenite.dropin.girder_client._bodies import download as download
from selenite.dropin.girder_client._bodies import download_only_file as download_only_file
from selenite.dropin.girder_client._bodies import is_plain as is_plain
from selenite.dropin.girder_client._bodies import may_use_core as may_use_core
from selenite.dropin.girder_client._bodies import own_method as own_method
from selenite.dropin.girder_client._bodies import remember as remember
from selenite.dropin.girder_client._bodies import translated as translated
from selenite.dropin.girder_client._bodies import upload as upload
from selenite.dropin.girder_client._errors import ChecksumError as ChecksumError
from selenite.dropin.girder_client._errors import HttpError as HttpError
from selenite.dropin.girder_client._errors import IncompleteResponseError as IncompleteResponseError
