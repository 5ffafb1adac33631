"""Record real wall times of `fixed_script.py`, back to back: `record_wall_times.py COUNT FILE`."""

import os
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(__file__).with_name("fixed_script.py")


def main(count: int, path: Path) -> None:
    with path.open("w") as out:
        out.write("seconds\tload_1min\n")
        for _ in range(count):
            start = time.perf_counter()
            subprocess.run([sys.executable, SCRIPT], check=True, stdout=subprocess.DEVNULL)
            out.write(f"{time.perf_counter() - start:.6f}\t{os.getloadavg()[0]:.2f}\n")
            out.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
