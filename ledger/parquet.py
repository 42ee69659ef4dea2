"""Writes records as Parquet, by pyarrow: an optional extra, for it is larger than all else together."""

from collections.abc import Mapping
from typing import IO, Any, cast

from sqlalchemy.types import DateTime, Integer, TypeEngine

from eventstore.errors import LedgerError
from query.formats import Row

ROW_GROUP = 50_000
"""Records that are gathered before they are written: readers of Parquet like groups that are not small."""


class ParquetMissing(LedgerError):
    """Parquet needs pyarrow, which is not installed: pip install 'status-ledger[parquet]'."""


class ParquetFile:
    """A Parquet file being written: text, whole numbers, and times in UTC to the microsecond."""

    def __init__(self, file: object, columns: Mapping[str, TypeEngine[Any]]) -> None:
        """Take a file, open for writing bytes, and the columns; raises `ParquetMissing`."""
        try:
            import pyarrow as pa  # noqa: PLC0415 - only those who want Parquet need it
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError:
            raise ParquetMissing from None
        kinds = {Integer: pa.int32(), DateTime: pa.timestamp("us", tz="UTC")}
        self._schema = pa.schema(
            [(name, kinds.get(type(kind), pa.string())) for name, kind in columns.items()]
        )
        self._array, self._batch = pa.array, pa.RecordBatch.from_arrays
        self._writer = parquet.ParquetWriter(cast("IO[bytes]", file), self._schema, compression="zstd")
        self._waiting: list[Row] = []

    def write(self, rows: list[Row]) -> None:
        """Append records."""
        self._waiting += rows
        if len(self._waiting) >= ROW_GROUP:
            self._write_group()

    def close(self) -> None:
        """Write what waits, and the end, without which the file is none."""
        self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        if not self._waiting:
            return
        columns = zip(*self._waiting, strict=True)
        arrays = [self._array(values, kind) for values, kind in zip(columns, self._schema.types, strict=True)]
        self._writer.write_batch(self._batch(arrays, schema=self._schema))
        self._waiting.clear()
