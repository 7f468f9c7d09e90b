# Made by scripts/stubs.py.
from selenite.dropin.girder_client._direct import _SENT as _SENT
from selenite.dropin.girder_client._direct import _UPLOAD as _UPLOAD
from selenite.dropin.girder_client._direct import _send as _send
from selenite.dropin.girder_client._direct import _send_parts as _send_parts
from selenite.dropin.girder_client._direct import _upload as _upload
from selenite.dropin.girder_client._direct import upload_contents as upload_contents
from selenite.dropin.girder_client._errors import HttpError as HttpError
from selenite.dropin.girder_client._together import Team as Team
from selenite.dropin.girder_client._together import check as check
from selenite.dropin.girder_client._together import reporting as reporting
from selenite.dropin.girder_client._together import workers as workers
from selenite.dropin.girder_client._uploads import Counted as Counted
from selenite.dropin.girder_client._uploads import Source as Source
from selenite.dropin.girder_client._uploads import cancel as cancel
from selenite.dropin.girder_client._uploads import checked as checked
