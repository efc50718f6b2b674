"""HiGHS keeps stdout clean."""

import subprocess
import sys


def test_stdout_holds_nothing_but_what_the_program_writes():
    script = (
        "import numpy as np; from methods.ilp import solve;"
        "pairs = np.full((2, 2, 1, 1), 0.9); print(solve(np.full((2, 1), 0.8), pairs).status)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "optimal\n"


def test_it_greets_on_stderr_once():
    script = "from methods.highs import new_highs; new_highs(); new_highs(); print('done')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n" and done.stderr.count("HiGHS") == 1
