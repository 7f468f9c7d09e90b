"""A module of the original, which is not installed."""

raise ModuleNotFoundError(
    f"`{__name__}` is a module of the original, which is not installed (`pip install pytupli`); "
    "`pytupli.storage` and `pytupli.schema` do not need it",
    name=__name__,
)
