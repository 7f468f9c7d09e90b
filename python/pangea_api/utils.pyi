# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.file_system_cache import FileSystemCache as FileSystemCache
from selenite.dropin.pangea_api.utils import __all__ as __all__
from selenite.dropin.pangea_api.utils import _place as _place
from selenite.dropin.pangea_api.utils import logger as logger
from selenite.dropin.pangea_api.utils import paginated_iterator as paginated_iterator
