# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._locks import BUCKET_CACHE_NAME as BUCKET_CACHE_NAME
from selenite.dropin.gypsum_client._locks import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client._locks import fresh as fresh
from selenite.dropin.gypsum_client._locks import locked as locked
from selenite.dropin.gypsum_client._locks import place as place
