# Made by scripts/stubs.py.
from selenite.dropin.pytupli._given import _warn as _warn
from selenite.dropin.pytupli._given import as_metadata as as_metadata
from selenite.dropin.pytupli._given import unsendable as unsendable
from selenite.dropin.pytupli._given import warn_of_artifact as warn_of_artifact
from selenite.dropin.pytupli._given import warn_of_benchmark as warn_of_benchmark
from selenite.dropin.pytupli._given import warn_of_characters as warn_of_characters
from selenite.dropin.pytupli._given import warn_of_episode as warn_of_episode
from selenite.dropin.pytupli._log import logger as logger
from selenite.dropin.pytupli.schema import ArtifactMetadata as ArtifactMetadata
from selenite.dropin.pytupli.schema import BenchmarkMetadata as BenchmarkMetadata
from selenite.dropin.pytupli.schema import RLTuple as RLTuple
