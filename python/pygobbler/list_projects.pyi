# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.list_projects import list_projects as list_projects
from selenite.dropin.pygobbler.list_projects import list_registry_directories as list_registry_directories
