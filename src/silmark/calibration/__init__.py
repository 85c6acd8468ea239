"""Fits of the mechanisms' parameters; each family's module writes its `data/calibration/<family>.toml`.

rows      measured rows from $SILMARK_DATA/measurements/public
points    published points that come with the package, and the writer of calibration files
robust    fits in logarithms with soft outliers, residuals, statistics with each chip left out
perf_rows tables of an installed aiconfigurator as such rows (perf_files finds them, parquet unpacks them)
own       a calibration of the user's own on them
gpu       the GPU family (gpu_gemm, gpu_attention, gpu_moe, gpu_streams, gpu_host are its parts)
"""

from silmark.calibration.run import FITS, run

__all__ = ["FITS", "run"]
