"""Cells and runners as real processes that need not import everything again: forks of the process that tests."""

import os
import signal
import sys
import traceback

from bench.cell_process import end_with_parent


class Forked:
    """What `subprocess.Popen` is to the runner."""

    def __init__(self, function, log):
        self.code = None
        self.pid = os.fork()
        if self.pid == 0:
            self._child(function, log)

    @staticmethod
    def _child(function, log):
        code = 1
        try:
            os.setsid()
            end_with_parent()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            with log.open("ab") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            import torch

            torch.set_num_threads(1)  # the pool of the parent's threads is not there in a fork
            code = function() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def poll(self):
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self):
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()


def begin_forked(command, log, environment):
    """Start a cell as `bench.workers.start` does; its number is written beside its log."""

    def cell():
        from bench.__main__ import main

        os.environ.update(environment)
        return main(command[command.index("bench") + 1 :])

    process = Forked(cell, log)
    (log.parent / "pid").write_text(str(process.pid))
    return process
