# Made by scripts/stubs.py.
from selenite.dropin.pytupli._errors import TupliStorageError as TupliStorageError
from selenite.dropin.pytupli._matching import _COMPARED as _COMPARED
from selenite.dropin.pytupli._matching import _is_in as _is_in
from selenite.dropin.pytupli._matching import predicate as predicate
from selenite.dropin.pytupli.schema import BaseFilter as BaseFilter
from selenite.dropin.pytupli.schema import FilterType as FilterType
