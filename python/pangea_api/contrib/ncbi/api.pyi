# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.contrib.ncbi.api import create_pangea_group_from_bioproj as create_pangea_group_from_bioproj
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import BioProject as BioProject
from selenite.dropin.pangea_api.contrib.tagging.tag import Tag as Tag
