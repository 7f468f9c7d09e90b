"""Client of PyTupli's service: `pytupli.storage` and `pytupli.schema`.

The package itself has no names. The original's other modules (``benchmark``, ``dataset``,
``quality_metrics``, ``server``, ``cli``) are imported where it is installed, and stand on these.
"""

# In front of what comes last here are the original's modules, if there are any.
__path__.append(__path__[0] + "/_absent")
