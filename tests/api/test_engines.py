"""What computes finds registries by their addresses: Dask, pyarrow, zarr, polars, DuckDB."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import duckdb
import fsspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pygobbler as pyg
import pytest
import selenite
import zarr
from pyarrow.fs import FSSpecHandler, PyFileSystem
from support.registries import TOKEN, Registries, add, serving

Where = dict[str, Any]
ROWS = 1000


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    """Both services with tables in several formats, and a Zarr store."""
    folder = tmp_path_factory.mktemp("engines")
    source = folder / "source"
    (source / "csv").mkdir(parents=True)
    (source / "parquet").mkdir()
    frame = pd.DataFrame({"number": np.arange(ROWS), "name": [f"n{n}" for n in range(ROWS)]})
    for part in range(2):
        half = frame.iloc[part::2].reset_index(drop=True)
        half.to_csv(source / f"csv/{part}.csv", index=False)
        half.to_parquet(source / f"parquet/{part}.parquet")
    group = zarr.open_group(str(source / "store"), mode="w")
    group.create_array("x", data=np.arange(100).reshape(10, 10), chunks=(5, 5))
    files = {
        str(path.relative_to(source)): path.read_bytes()
        for path in sorted(source.rglob("*"))
        if path.is_file()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELENITE_PROGRESS", "off")
        with serving(folder / "uploads") as found:
            add(found, folder / "sources", "data", "v1", files)
            yield found


@pytest.fixture(params=["gobbler-here", "gobbler-http", "gypsum-http"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def base(service: str) -> str:
    return f"{service}://demo/data/v1"


TOTAL = sum(range(ROWS))
PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
# What comes out of each piece of code of a row of the page, as a number.
RESULTS: dict[str, list[Callable[[Any], object]]] = {
    "Dask": [lambda table: table["number"].sum().compute()],
    "pyarrow": [lambda dataset: sum(dataset.to_table()["number"].to_pylist())],
    "zarr": [lambda group: group["x"][:].sum()],
    "polars": [lambda table: table["number"].sum(), lambda table: table["number"].sum()],
    "DuckDB": [lambda _: 10, lambda table: sum(row[0] for row in table.fetchall())],
}


@pytest.fixture(scope="module")
def small(registries: Registries, tmp_path_factory: pytest.TempPathFactory) -> Registries:
    """The same services, with the version that the page speaks of."""
    source = tmp_path_factory.mktemp("small")
    (source / "parquet").mkdir()
    frame = pd.DataFrame({"number": range(5)})
    frame.to_csv(source / "t.csv", index=False)
    frame.to_parquet(source / "parquet" / "t.parquet")
    zarr.open_group(str(source / "store"), mode="w").create_array("x", data=np.arange(5))
    server = registries.gobbler
    pyg.create_project("p", staging=server.staging, url=server.url)
    registries.gypsum.request("POST", "/create/p", TOKEN, {"permissions": {"owners": []}})
    for service, url in (("gobbler", server.url), ("gypsum", registries.gypsum.url)):
        selenite.upload(source, f"{service}:p/a/v", endpoint=url, token=TOKEN)
    return registries


@pytest.mark.parametrize("engine", RESULTS)
def test_the_page_says_what_works(engine: str, small: Registries, tmp_path: Path) -> None:
    (row,) = re.findall(rf"^\| {engine} \| (.*) \|$", PAGE.read_text(), re.M)
    codes = re.findall("`([^`]+)`", row)
    cache = str(tmp_path)
    version = selenite.open("gobbler:p/a/v", endpoint=small.gobbler.url, cache=cache)
    known = {"duckdb": duckdb, "polars": pl, "dd": dd, "pyarrow": pyarrow, "zarr": zarr}
    known |= {"fsspec": fsspec, "version": version}
    for code, result in zip(codes, RESULTS[engine], strict=True):
        service = small.gypsum if "gypsum" in code else small.gobbler
        code = code.replace("/scratch/me", cache)
        found = eval(code, {**known, "url": service.url})
        assert result(found) == 10, code


def test_pandas_and_pyarrow(base: str, service: str, where: Where) -> None:
    frame = pd.read_parquet(f"{base}/parquet/0.parquet", storage_options=where)
    assert len(frame) == ROWS // 2
    fs = fsspec.filesystem(service, **where)
    for filesystem in (fs, PyFileSystem(FSSpecHandler(fs))):
        dataset = pads.dataset("demo/data/v1/parquet", filesystem=filesystem, format="parquet")
        assert sum(dataset.to_table()["number"].to_pylist()) == TOTAL
    with fs.open("demo/data/v1/parquet/1.parquet") as file:
        assert pq.ParquetFile(file).metadata.num_rows == ROWS // 2
    version = selenite.open(base, **where)
    table = version.manifest.to_arrow()
    assert table.column_names == ["path", "size", "md5sum", "link"]
    assert table.num_rows == len(version.manifest)


def test_zarr(base: str, where: Where) -> None:
    group = zarr.open_group(f"{base}/store", mode="r", storage_options=where)
    assert group["x"][:].sum() == sum(range(100))
    store = zarr.storage.FsspecStore.from_url(
        f"{base}/store", read_only=True, storage_options=where
    )
    assert zarr.open_group(store, mode="r")["x"][2, 3] == 23


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPoolExecutor]:
    """Two processes, each started once."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("way", ["gobbler-http", "gypsum-http"])
def test_dask_on_two_processes(base: str, where: Where, workers: ProcessPoolExecutor) -> None:
    with dask.config.set(scheduler="processes", pool=workers):
        table = dd.read_csv(f"{base}/csv/*.csv", storage_options=where)
        assert table["number"].sum().compute() == TOTAL
        table = dd.read_parquet(f"{base}/parquet", storage_options=where)
        assert table["number"].sum().compute() == TOTAL
        array = da.from_zarr(f"{base}/store/x", storage_options=where)
        assert array.sum().compute() == sum(range(100))


def test_polars_and_duckdb(base: str, service: str, where: Where) -> None:
    fs = fsspec.filesystem(service, **where)
    with fs.open(f"{base}/csv/0.csv") as file:
        assert pl.read_csv(file)["number"].sum() == sum(range(0, ROWS, 2))
    local: Path = selenite.open(base, **where).path("parquet/1.parquet")
    assert pl.read_parquet(local)["number"].sum() == sum(range(1, ROWS, 2))
    with duckdb.connect() as connection:
        connection.register_filesystem(fs)
        for kind in ("csv", "parquet"):
            query = f"select sum(number) from read_{kind}('{base}/{kind}/*.{kind}')"
            row = connection.execute(query).fetchone()
            assert row is not None
            assert row[0] == TOTAL
