//! DataFusion over a directory of CSV, TSV or Parquet files: the embedded engine.
