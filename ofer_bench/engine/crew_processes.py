"""The further processes of a crew: started, watched and ended by the leader, which is the process of the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

import torch

from ofer_bench.core.errors import OferBenchError, ProcessFailed
from ofer_bench.engine.crew import ALONE, Crew, in_crew

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

POLL_S = 0.0005
"""How often a process looks whether the others have answered."""
LAST_WORDS_S = 10.0
"""How long the leader listens for the cause, after a call to the others has failed."""
END_S = 5.0

Task = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    at: float
    problem: str


@contextmanager
def crew_of(size: int, device: str, task: Task) -> Iterator[Crew]:
    """Lead a crew of ``size`` processes inside the block.

    The others run ``task(device)`` (a picklable callable) on ``cuda:1``, ``cuda:2``… or on the CPU, of whose threads
    each process gets its part. They meet the leader in the training loop; at the end of the block they are ended,
    whatever they do. Raises ProcessFailed where one of them fails before that.
    """
    if size == 1:
        yield ALONE
        return
    threads = torch.get_num_threads()
    each = max(1, threads // size)
    others = _Others(size, device.partition(":")[0], task, each)
    torch.set_num_threads(each)
    try:
        with in_crew(Crew(0, size, others.muster, others.pause)) as crew:
            yield crew
    except OferBenchError:
        raise
    except Exception as error:
        failure = others.failure(LAST_WORDS_S if isinstance(error, RuntimeError) else 0.0)
        if failure is None:
            raise
        raise failure from error
    finally:
        torch.set_num_threads(threads)
        others.end()


class _Others:
    def __init__(self, size: int, device_type: str, task: Task, threads: int) -> None:
        self._size, self._device_type = size, device_type
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[SpawnProcess] = []
        self._ready: set[Connection] = set()
        self._failures: dict[Connection, _Failure] = {}
        try:
            for rank in range(1, size):
                mine, theirs = context.Pipe()
                # Not daemonic: those may have no children, and a plugin may want some. See end_with_parent.
                process = context.Process(
                    target=_follow, args=(rank, size, device_type, task, threads, theirs), name=f"crew-{rank}"
                )
                process.start()
                theirs.close()
                self._pipes.append(mine)
                self._processes.append(process)
        except BaseException:
            self.end()
            raise

    def muster(self) -> torch.device:
        """Wait until all have come to their training loop, then form the group."""
        from ofer_bench.engine.process_group import free_port, join_group

        while len(self._ready) < self._size - 1:
            silent = [pipe for pipe in self._pipes if pipe not in self._ready]
            wait([*silent, *(process.sentinel for process in self._processes)])
            self._raise_failure()
            self._listen()
        port = free_port()
        for pipe in self._pipes:
            pipe.send(port)
        return join_group(0, self._size, self._device_type, port)

    def pause(self) -> None:
        """Sleep a moment; raise ProcessFailed at once where a process ends."""
        if wait([process.sentinel for process in self._processes], POLL_S):
            self._raise_failure()

    def failure(self, patience: float) -> ProcessFailed | None:
        """Return the first failure, for which to wait ``patience`` seconds; None if all are well."""
        ending = wait([process.sentinel for process in self._processes], patience)
        for process in self._processes:
            if process.sentinel in ending:
                # A sentinel falls a moment before its process counts as ended.
                process.join(END_S)
        self._listen()
        found: list[tuple[float, int, str]] = []
        for rank, (pipe, process) in enumerate(zip(self._pipes, self._processes, strict=True), 1):
            said = self._failures.get(pipe)
            if said is not None:
                found.append((said.at, rank, said.problem))
            elif not process.is_alive():
                # Who was killed has nothing to say, and is the cause of what the others complain of.
                found.append((0.0, rank, f"ended with code {process.exitcode}"))
        if not found:
            return None
        _, rank, problem = min(found)
        return ProcessFailed(rank, self._size, problem)

    def end(self) -> None:
        """End all processes and leave the group."""
        end_processes(self._processes)
        for pipe in self._pipes:
            pipe.close()
        if torch.distributed.is_initialized():
            from ofer_bench.engine.process_group import leave_group

            leave_group()

    def _listen(self) -> None:
        for pipe in self._pipes:
            try:
                while pipe.poll():
                    said = pipe.recv()
                    if isinstance(said, _Failure):
                        self._failures[pipe] = said
                    else:
                        self._ready.add(pipe)
            except (EOFError, OSError):
                continue

    def _raise_failure(self) -> None:
        failure = self.failure(0.0)
        if failure is not None:
            raise failure


def _follow(rank: int, size: int, device_type: str, task: Task, threads: int, pipe: Connection) -> None:
    """Run ``task`` as process ``rank``, then wait for the end: who leaves early would look like one that died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()

    def muster() -> torch.device:
        from ofer_bench.engine.process_group import join_group

        pipe.send(None)
        return join_group(rank, size, device_type, pipe.recv())

    code = 0
    try:
        torch.set_num_threads(threads)
        device = f"cuda:{rank}" if device_type == "cuda" else device_type
        if device_type == "cuda":
            torch.cuda.set_device(rank)
        with in_crew(Crew(rank, size, muster, lambda: time.sleep(POLL_S))):
            task(device)
        pipe.recv()
    except EOFError:
        pass
    except BaseException as error:
        known = isinstance(error, OferBenchError)
        problem = str(error) if known else f"{type(error).__name__}: {error}"
        pipe.send(_Failure(at=time.time(), problem=problem))
        code = 1
    # Leaving in good order would wait for the others.
    os._exit(code)


def end_with_parent() -> None:
    """Wait for the parent's end, whatever ended it, and end this process; for a thread of its own."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def end_processes(processes: Collection[SpawnProcess]) -> None:
    """End processes, one that does not obey by force."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(END_S)
        if process.is_alive():
            process.kill()
            process.join()
