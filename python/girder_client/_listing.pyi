# Made by scripts/stubs.py.
from selenite.dropin.girder_client._listing import Listing as Listing
from selenite.dropin.girder_client._listing import Record as Record
from selenite.dropin.girder_client._listing import pages as pages
