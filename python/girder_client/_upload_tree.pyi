# Made by scripts/stubs.py.
from selenite.dropin.girder_client._bodies import is_plain as is_plain
from selenite.dropin.girder_client._bodies import own_method as own_method
from selenite.dropin.girder_client._reporting import say as say
from selenite.dropin.girder_client._together import Team as Team
from selenite.dropin.girder_client._together import workers as workers
from selenite.dropin.girder_client._upload_tree import Tree as Tree
from selenite.dropin.girder_client._upload_tree import _ONLY_FOLDERS as _ONLY_FOLDERS
from selenite.dropin.girder_client._upload_tree import _matches as _matches
from selenite.dropin.girder_client._upload_tree import single as single
from selenite.dropin.girder_client._upload_tree import team_for as team_for
from selenite.dropin.girder_client._upload_tree import upload as upload
