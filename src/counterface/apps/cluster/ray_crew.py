"""Workers that are actors of Ray: on this machine alone, or on a cluster that the user started.

Ray moves what it is given between its processes as pickles. It is given text only, both ways, and
no file of a user is ever unpickled. `docs/cluster.md` says who may reach Ray's ports.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from counterface.apps.cluster.dispatch import Answer
from counterface.apps.cluster.work import FileWorker
from counterface.errors import ConfigError
from counterface.files import new_folder

NEEDS = "counterface cluster needs Ray: pip install 'counterface[cluster]'"
_STORE_BYTES = 80 * 2**20  # Ray's least; what it moves is text
_MOST_SOCKET = 107  # bytes of the path of a Unix socket
_RAYS_OWN = len("/session_2026-11-29_09-30-00_000000_4194304/sockets/plasma_store")
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/",  # where nobody listens
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # it would copy the current folder to the workers
    "PYTHONSAFEPATH": "1",  # nothing is imported from the current folder
}
_START_S = 60  # and more, on a machine that is busy with other work
_STARTS = 3  # Ray gives up where its own processes take half a minute to start
_HERE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's name for "127.0.0.1, and no other"
    "RAY_NUM_REDIS_GET_RETRIES": str(_START_S),
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_agent_register_timeout_ms": "300000",
}
_LISTENER_S = 20.0
_NOBODY = (
    "--address {}: no cluster answers there ({}); start one as docs/cluster.md says, this machine "
    "included"
)
_own_token: dict[str, str] = {}  # Ray reads it once, when it is imported


class RayCrew:
    """A `Crew` of actors, one a CPU of Ray; made by `open_crew`."""

    def __init__(self, ray: ModuleType, order: str, cpus: int) -> None:
        """The crew of a Ray that was started.

        Args:
            ray: the module.
            order: what each worker is told, see `work.write_order`.
            cpus: how many workers Ray has room for now.
        """
        self.cpus = cpus
        self._ray, self._order = ray, order
        # No restarts and no second tries of Ray's: what dies is told, and decided in `dispatch`.
        options = {"num_cpus": 1, "max_restarts": 0, "max_task_retries": 0}
        self._actor: Any = ray.remote(**options)(FileWorker)
        self._workers: dict[int, Any] = {}
        self._answers: dict[Any, int] = {}  # to come: whose
        self._hired = 0

    def hire(self) -> int:
        """The number of a new worker, which loads its models and then answers."""
        self._hired += 1
        worker = self._actor.remote(self._order)
        self._workers[self._hired] = worker
        self._answers[worker.start.remote()] = self._hired
        return self._hired

    def send(self, worker: int, name: str, place: str) -> None:
        """Give a worker a file."""
        self._answers[self._workers[worker].work.remote(name, place)] = worker

    def wait(self) -> list[Answer]:
        """The answers since the last call, one at least."""
        waited_for = list(self._answers)
        self._ray.wait(waited_for, num_returns=1)
        ready, _ = self._ray.wait(waited_for, num_returns=len(waited_for), timeout=0)
        return [self._answer(one) for one in ready]

    def _answer(self, ready: Any) -> Answer:
        worker = self._answers.pop(ready)
        try:
            return Answer(worker, str(self._ray.get(ready)))
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError:  # it died, or its machine did
            with contextlib.suppress(Exception):  # it may be alive behind a lost connection
                self._ray.kill(self._workers[worker])
            del self._workers[worker]
            return Answer(worker, None)


@contextlib.contextmanager
def open_crew(order: str, workers: int | None, address: str | None) -> Iterator[RayCrew]:
    """Workers on this machine, or on the cluster at an address, for the length of a block.

    Args:
        order: what each worker is told.
        workers: how many at most; by default one for each CPU.
        address: `host:port` of a cluster's head, or `auto` for the one that this machine is in.

    Raises:
        ConfigError: Ray is not installed, is at work in this process, or cannot be started or
            reached.
    """
    with contextlib.ExitStack() as stack:
        own = {} if address else _HERE | _token()
        stack.enter_context(_environment(_QUIET | own))
        ray = _import_ray()
        if ray.is_initialized():
            raise ConfigError("Ray is at work in this process already; run the command by itself")
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        stack.enter_context(_tamed(ray))
        if address is None:
            _start_here(ray, stack, workers or len(os.sched_getaffinity(0)))
        else:
            _connect(ray, stack, address)
        cpus = int(ray.cluster_resources().get("CPU", 0))
        yield RayCrew(ray, order, min(cpus, workers or cpus))


def _token() -> dict[str, str]:
    """What keeps other users of this machine out; nothing where others imported Ray before."""
    if not _own_token and "ray" not in sys.modules:
        _own_token.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    return _own_token


def _import_ray() -> ModuleType:
    try:
        return import_module("ray")
    except ModuleNotFoundError as error:
        raise ConfigError(NEEDS) from error


def _start_here(ray: ModuleType, stack: contextlib.ExitStack, workers: int) -> None:
    """Start Ray on this machine, reachable from it alone, its files in a folder that goes away."""
    for left in reversed(range(_STARTS)):
        folder = stack.enter_context(_short_folder())
        try:
            _init(
                ray,
                stack,
                folder,
                address="local",
                num_cpus=workers,
                num_gpus=0,
                object_store_memory=_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=str(folder),
            )
            return
        except Exception as error:  # Ray raises that very class, among others
            if not left:
                raise ConfigError(
                    f"Ray cannot be started on this machine: {_brief(error)}; is there room in "
                    f"{folder.parent} and in memory, and is the machine not too busy?"
                ) from error


def _connect(ray: ModuleType, stack: contextlib.ExitStack, address: str) -> None:
    if address != "auto" and ("/" in address or not address.rpartition(":")[2].isdigit()):
        raise ConfigError(f"--address {address}: give HOST:PORT of the head, or auto")
    if address != "auto":
        _require_listener(address)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="counterface-"))
    try:
        _init(ray, stack, Path(folder), address=address)
    except Exception as error:
        raise ConfigError(_NOBODY.format(address, _brief(error))) from error


def _require_listener(address: str) -> None:
    """Refuse an address where nobody listens, which Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_LISTENER_S).close()
    except (OSError, OverflowError) as error:  # a port beyond 65,535
        raise ConfigError(_NOBODY.format(address, _brief(error))) from error


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _init(ray: ModuleType, stack: contextlib.ExitStack, folder: Path, **options: Any) -> None:
    # Ray tells its workers to import from the current folder, so that is an empty one meanwhile.
    with contextlib.chdir(folder):
        stack.callback(ray.shutdown)
        ray.init(log_to_driver=False, configure_logging=False, **options)


@contextlib.contextmanager
def _short_folder() -> Iterator[Path]:
    """A folder whose name leaves room for the paths of Ray's sockets."""
    for place in (tempfile.gettempdir(), "/tmp"):
        with new_folder(Path(place, "ray")) as folder:
            if len(os.fsencode(folder)) + _RAYS_OWN <= _MOST_SOCKET:
                yield folder
                return
    raise ConfigError(f"{place}: no folder with a short enough name; set TMPDIR to one")


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables that Ray and its processes see; as they were afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _tamed(ray: ModuleType) -> Iterator[None]:
    """Ray without the process that asks cloud providers who they are, whatever it is told.

    Neither that process (the API server, dashboard or not), nor the autoscaler, nor the reader of
    logs is of use here. Ray has no switch for them, so their starts are taken out. So are messages
    of dead workers on stdout, where our results are; and 30 s are not all that a start may take.
    """
    from ray._private import node, services, worker

    instead: dict[tuple[Any, str], Callable[..., Any]] = {
        (services, "start_api_server"): lambda *_, **__: (None, None),
        (node.Node, "start_monitor"): lambda _: None,
        (node.Node, "start_log_monitor"): lambda _: None,
        (worker, "print_to_stdstream"): lambda *_, **__: None,
    }
    if lacking := [name for owner, name in instead if not hasattr(owner, name)]:
        raise ConfigError(
            f"Ray {ray.__version__} lacks {lacking}, so that it cannot be kept from asking the "
            "network; install the version that counterface[cluster] names"
        )
    instead[(services, "get_node")] = _patient(services.get_node)
    before = {key: getattr(*key) for key in instead}
    try:
        for (owner, name), new in instead.items():
            setattr(owner, name, new)
        yield
    finally:
        for (owner, name), original in before.items():
            setattr(owner, name, original)


def _patient(get_node: Callable[..., Any]) -> Callable[..., Any]:
    """The facts of a node, waited for: it may be starting."""

    def wait(*words: Any) -> Any:
        end = time.monotonic() + _START_S
        while True:
            try:
                return get_node(*words)
            except RuntimeError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.2)

    return wait
