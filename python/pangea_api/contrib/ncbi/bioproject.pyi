# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import BioProject as BioProject
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import BioSample as BioSample
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import SRARecord as SRARecord
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import _Record as _Record
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import __all__ as __all__
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import _entrez as _entrez
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import _fetched as _fetched
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import _linked as _linked
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import print_xml_recurse as print_xml_recurse
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import recurse_xml_to_reactjs_safe_dict as recurse_xml_to_reactjs_safe_dict
from selenite.dropin.pangea_api.contrib.ncbi.bioproject import xml_sra_file_to_blob as xml_sra_file_to_blob
