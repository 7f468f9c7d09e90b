# Made by scripts/stubs.py.
from selenite.dropin.girder_client._errors import AuthenticationError as AuthenticationError
from selenite.dropin.girder_client._errors import ChecksumError as ChecksumError
from selenite.dropin.girder_client._errors import HttpError as HttpError
from selenite.dropin.girder_client._errors import IncompleteResponseError as IncompleteResponseError
from selenite.dropin.girder_client._errors import IncorrectUploadLengthError as IncorrectUploadLengthError
from selenite.dropin.girder_client._errors import TYPE_CHECKING as TYPE_CHECKING
