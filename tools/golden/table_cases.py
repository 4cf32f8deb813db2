"""Writes tables of every column type that the readers know: `table_cases.py DIR`. Written with pyarrow 26.0.1.

They are seeds of the fuzzer (tools/fuzz) and cases of the readers' tests.
"""

import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet

ROWS = 5


def columns():
    words = ["zero", None, "é", "", "a much longer text than the inline ones"]
    numbers = [1, -2, None, 4, 5]
    return {
        "int64": pa.array([2**60, None, -1, 0, 7], pa.int64()),
        "uint8": pa.array([0, 255, None, 3, 4], pa.uint8()),
        "int16": pa.array(numbers, pa.int16()),
        "half": pa.array([0.5, None, -1, 2, 3], pa.float16()),
        "float": pa.array([0.5, float("nan"), None, 2, 3], pa.float32()),
        "double": pa.array([0.1, None, -0.0, 2, 3], pa.float64()),
        "bool": pa.array([True, None, False, True, True]),
        "null": pa.nulls(ROWS),
        "string": pa.array(words),
        "large_string": pa.array(words, pa.large_string()),
        "string_view": pa.array(words, pa.string_view()),
        "binary": pa.array([b"\x00\xff", None, b"", b"a", b"abc"]),
        "fixed_binary": pa.array([b"ab", None, b"cd", b"ef", b"gh"], pa.binary(2)),
        "dictionary": pa.array(["red", "blue", None, "red", "red"]).dictionary_encode(),
        "list": pa.array([[1, 2], None, [], [3, None], [4]], pa.list_(pa.int64())),
        "boxes": pa.array([[[0, 1, 2, 3]], [], None, [[4, 5, 6, 7], [8, 9, 10, 11]], []], pa.list_(pa.list_(pa.int64()))),
        "fixed_list": pa.array([[1, 2], [3, 4], None, [5, 6], [7, 8]], pa.list_(pa.float32(), 2)),
        "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": 2, "b": None}, {"a": 3, "b": "y"}, {"a": 4, "b": "z"}]),
        "date": pa.array([date(2020, 1, 2)] * 4 + [None], pa.date32()),
        "time": pa.array([datetime(2020, 1, 2, 3, 4, 5)] * 4 + [None], pa.timestamp("us")),
        "decimal": pa.array([Decimal("1.25")] * 4 + [None], pa.decimal128(10, 2)),
    }


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns())
    for compression in ("uncompressed", "lz4", "zstd"):
        feather.write_feather(table, str(folder / f"types_{compression}.feather"), compression=compression)
    plain = table.drop_columns(["null", "half", "string_view", "decimal"])
    parquet.write_table(plain, folder / "types.parquet", compression="snappy", row_group_size=3)
    parquet.write_table(plain, folder / "types_gzip.parquet", compression="gzip", use_dictionary=False, data_page_version="2.0")
    images = pa.table(
        {
            "image": [f"images/{i}.png" for i in range(40)],
            "text": ["a red mug . a blue lamp"] * 40,
            "boxes": [[[0, 0, 10, 10], [5, 5, 20, 20]]] * 40,
            "attributes": [["red", "mug"]] * 40,
        }
    )
    parquet.write_table(images, folder / "images.parquet", compression="zstd")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
