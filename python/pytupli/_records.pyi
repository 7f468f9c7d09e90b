# Made by scripts/stubs.py.
from selenite.dropin.pytupli._errors import TupliStorageError as TupliStorageError
from selenite.dropin.pytupli._files import placed as placed
from selenite.dropin.pytupli._log import logger as logger
from selenite.dropin.pytupli._matching import predicate as predicate
from selenite.dropin.pytupli._records import METADATA_SUFFIX as METADATA_SUFFIX
from selenite.dropin.pytupli._records import SUFFIX as SUFFIX
from selenite.dropin.pytupli._records import as_filter as as_filter
from selenite.dropin.pytupli._records import found as found
from selenite.dropin.pytupli._records import is_name as is_name
from selenite.dropin.pytupli._records import matching as matching
from selenite.dropin.pytupli._records import records as records
from selenite.dropin.pytupli._records import same as same
from selenite.dropin.pytupli._records import taken_away as taken_away
from selenite.dropin.pytupli._records import write as write
from selenite.dropin.pytupli.schema import BaseFilter as BaseFilter
