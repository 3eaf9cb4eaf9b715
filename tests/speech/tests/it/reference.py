"""Prints the reference values for reference.rs. Needs `pip install pystoi` (0.4.1 was used, with numpy and scipy)."""

import pathlib
import sys

import numpy as np
from pystoi import stoi

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.f32")):
    clean, degraded = np.split(np.fromfile(path, dtype="<f4").astype(np.float64), 2)
    print(path.stem, f"{stoi(clean, degraded, int(path.stem.rsplit('-', 1)[1])):.5f}")
