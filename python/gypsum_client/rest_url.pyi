# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client.rest_url import __getattr__ as __getattr__
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
