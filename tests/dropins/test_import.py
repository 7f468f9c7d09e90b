"""What an import of a drop-in package gives, whatever is installed beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.site import ORIGINALS, Site, run

# Where all modules of a package come from.
PLACES = (
    "import {0}, json, os, sys\n"
    "print(json.dumps(sorted({{os.path.dirname(module.__file__) for name, module in "
    "sys.modules.items() if name.partition('.')[0] == '{0}'}})))\n"
)


def places(name: str, *sites: Site, dropin: str | None = None) -> list[Path]:
    return [Path(place) for place in json.loads(run(PLACES.format(name), *sites, dropin=dropin))]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Selenite alone."""
    return Site(tmp_path / "site").add_selenite(*ORIGINALS)


@pytest.fixture
def both(site: Site, original_client: Path) -> Site:
    """Selenite and the originals in one directory."""
    for name in ORIGINALS:
        site.add_original(name, original_client)
    return site


@pytest.mark.parametrize("name", ORIGINALS)
def test_ours_is_imported_without_the_original_and_beside_it(
    name: str, site: Site, original_client: Path
) -> None:
    ours = [site.path / "selenite" / "dropin" / name]
    assert places(name, site) == ours
    site.add_original(name, original_client)
    assert places(name, site) == ours
    assert places(name, site, dropin="") == ours


@pytest.mark.parametrize(
    "value", ["original", " Original ", "gypsum_client", "pygobbler,gypsum-client"]
)
def test_the_variable_asks_for_the_original(value: str, both: Site) -> None:
    assert places("gypsum_client", both, dropin=value) == [both.path / "gypsum_client"]
    is_pygobbler = value != "gypsum_client"
    directory = both.path if is_pygobbler else both.path / "selenite" / "dropin"
    assert places("pygobbler", both, dropin=value) == [directory / "pygobbler"]


def test_the_original_is_what_it_is_without_us(both: Site, original_client: Path) -> None:
    """Its module has the attributes that it has by itself, but for their places."""
    code = (
        "import gypsum_client as g\n"
        "spec = g.__spec__\n"
        "print(sorted(vars(g)), spec.name, spec.origin, spec.cached, spec.parent, g.__file__,\n"
        "      getattr(g, '__cached__', None), g.__path__, spec.submodule_search_locations,\n"
        "      g.__package__, type(g.__loader__), g.__loader__ is spec.loader, g.__doc__)"
    )
    alone = run(code, Site(original_client))
    assert "__init__.py" in alone
    ours = run(code, both, dropin="original")
    assert ours.replace(str(both.path), str(original_client)) == alone


def test_the_original_may_be_elsewhere_on_the_path(
    tmp_path: Path, site: Site, original_client: Path
) -> None:
    """As with a virtual environment that takes the packages of the system, too."""
    system = Site(tmp_path / "system").add_original("pygobbler", original_client)
    ours = site.path / "selenite" / "dropin" / "pygobbler"
    assert places("pygobbler", site, system) == [ours]
    assert places("pygobbler", site, system, dropin="original") == [system.path / "pygobbler"]
    # Python's own rule: the first on the path.
    assert places("pygobbler", system, site) == [system.path / "pygobbler"]


def test_the_original_has_to_be_installed(site: Site) -> None:
    code = (
        "import os\n"
        "try:\n"
        "    import pygobbler\n"
        "except ImportError as error:\n"
        "    print(error.name, error)\n"
        "del os.environ['SELENITE_DROPIN']\n"
        "import pygobbler, selenite\n"
        "print(pygobbler.list_projects.__module__)"
    )
    said = run(code, site, dropin="pygobbler")
    assert said == (
        "pygobbler SELENITE_DROPIN=pygobbler asks for the original of 'pygobbler', which is not "
        "installed: install 'pygobbler', or unset the variable\npygobbler.list_projects\n"
    )


def test_another_value_is_an_error(both: Site) -> None:
    said = run("import pygobbler", both, dropin="orignal")
    assert said.startswith(
        "selenite._exceptions.InvalidArgumentError: invalid SELENITE_DROPIN `orignal`"
    )


@pytest.mark.parametrize("value", [None, "original"])
def test_reload_executes_it_again_and_never_mixes(value: str | None, both: Site) -> None:
    code = (
        "import gypsum_client as g, importlib, os, sys\n"
        "names = set(vars(g))\n"
        "g.list_projects = None\n"
        "before = g.__file__, g.__path__, g.__spec__.origin, type(g.__loader__)\n"
        "os.environ['SELENITE_DROPIN'] = '' if 'SELENITE_DROPIN' in os.environ else 'original'\n"
        "assert importlib.reload(g) is g\n"
        "assert before == (g.__file__, g.__path__, g.__spec__.origin, type(g.__loader__))\n"
        "assert g.list_projects is not None and set(vars(g)) == names\n"
        "old = g.rest_url\n"
        "importlib.reload(sys.modules['gypsum_client.rest_url'])\n"
        "importlib.reload(g)\n"
        "assert g.rest_url is not old\n"
        # Imported again in part, it is what it was.
        "del sys.modules['gypsum_client']\n"
        "import gypsum_client as again\n"
        "assert again is not g and again.__file__ == g.__file__\n"
        # And imported again as a whole, it is what is asked for now.
        "for name in [one for one in sys.modules if one.startswith('gypsum_client')]:\n"
        "    del sys.modules[name]\n"
        "import gypsum_client as new\n"
        "assert new.__file__ != g.__file__\n"
    )
    assert run(code, both, dropin=value) == ""


def test_modules_that_only_the_original_has_stand_on_ours(both: Site) -> None:
    text = "from gypsum_client.rest_url import rest_url\nfrom .config import __file__ as place\n"
    both.add_package("gypsum_client", only=text)
    code = (
        "import gypsum_client, gypsum_client.only as only, pkgutil\n"
        "assert only.rest_url is gypsum_client.rest_url\n"
        "assert 'only' in [one.name for one in pkgutil.iter_modules(gypsum_client.__path__)]\n"
        "print(only.place)"
    )
    ours = both.path / "selenite" / "dropin" / "gypsum_client" / "config.py"
    assert run(code, both) == f"{ours}\n"


def test_a_package_that_fails_leaves_nothing(site: Site) -> None:
    site.add_extension("pangea_api")
    site.add_dropin("pangea_api", __init__="from . import part\nraise ValueError('no')", part="")
    code = (
        "import sys\n"
        "for _ in range(2):\n"
        "    try:\n"
        "        import pangea_api\n"
        "    except ValueError as error:\n"
        "        print(error, 'pangea_api' in sys.modules)\n"
        "import selenite.dropin.pangea_api"
    )
    assert run(code, site) == "no False\nno False\nValueError: no"


def test_other_threads_wait_until_it_is_there(site: Site) -> None:
    site.add_extension("pangea_api")
    init = "import time\ntime.sleep(0.3)\nready = True\n"
    site.add_dropin("pangea_api", __init__=init, part="import pangea_api\n")
    code = (
        "import threading\n"
        "seen = []\n"
        "def look():\n"
        "    import pangea_api\n"
        "    seen.append(pangea_api.ready)\n"
        "threads = [threading.Thread(target=look) for _ in range(8)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(seen == [True] * 8)"
    )
    assert run(code, site) == "True\n"


@pytest.mark.parametrize("options", [("-O",), ("-OO",), ("-B", "-X", "utf8"), ("-X", "dev")])
def test_options_of_the_interpreter_change_nothing(options: tuple[str, ...], both: Site) -> None:
    code = "import pygobbler; print(pygobbler.unpack_path('a/b/c')['version'], pygobbler.__file__)"
    ours = both.path / "selenite" / "dropin" / "pygobbler" / "__init__.py"
    assert run(code, both, options=options) == f"c {ours}\n"


def test_its_modules_run_as_scripts(site: Site) -> None:
    site.add_extension("pangea_api")
    init, main = "import sys\n", "print(__name__, __package__, __file__)"
    site.add_dropin("pangea_api", __init__=init, __main__=main)
    place = site.path / "selenite" / "dropin" / "pangea_api" / "__main__.py"
    assert run("", site, options=("-m", "pangea_api")) == f"__main__ pangea_api {place}\n"
    assert "cannot be directly executed" in run("", site, options=("-m", "pygobbler"))


def test_commands_of_the_original_run_ours(site: Site) -> None:
    """Both distributions may bring the command; whose it is, it leads through the import."""
    site.add_extension("pangea_api")
    site.add_package("pangea_api", __init__="", cli="def main(): print('theirs')\n")
    site.add_dropin("pangea_api", __init__="", cli="def main(): print('ours')\n")
    command = "import sys\nfrom pangea_api.cli import main\nsys.exit(main())\n"
    assert run(command, site) == "ours\n"
    assert run(command, site, dropin="pangea-api") == "theirs\n"


def test_without_the_extension_module_it_is_a_part_of_selenite(tmp_path: Path) -> None:
    """As where the stable ABI of extension modules is not loaded."""
    site = Site(tmp_path / "site").add_selenite()
    code = (
        "import selenite.dropin.{0} as package, sys\n"
        "assert '{0}' not in sys.modules, sys.modules['{0}']\n"
        "for name in package.__all__: getattr(package, name)\n"
        "print({1})"
    )
    call = "package.unpack_path('a/b/c')['version']"
    assert run(code.format("pygobbler", call), site) == "c\n"
    call = "package.rest_url('https://example.com')"
    assert run(code.format("gypsum_client", call), site).startswith("https://")


def test_selenite_itself_imports_no_drop_in(site: Site) -> None:
    code = (
        "import pkgutil, sys, selenite\n"
        "for one in pkgutil.iter_modules(selenite.__path__, 'selenite.'): __import__(one.name)\n"
        "print([name for name in sys.modules if name.startswith(('pygobbler', 'gypsum_client', "
        "'selenite.dropin.'))])"
    )
    assert run(code, site) == "[]\n"
