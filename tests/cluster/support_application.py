"""The application: worker processes that write through the proxy, each with its own connections.

    python3 support_application.py '{"address": ..., "port": ..., "part": 0, "parts": 2, ...}'

runs one worker. It prints a JSON line with its counters twice a second, stops when it has the
acknowledgements it was told to get or when its input ends, and then leaves its model in a file.
"""

import json
import pickle
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import support
import support_history
from support_model import Model
from support_workload import Operation, Workload

_ROUND = 48  # requests in flight


@dataclass
class Worker:
    """How one worker connects; and what is the same for all of them."""

    protocol_version: int = 5
    client_timestamps: bool = True
    compression: bool = False
    options: dict = field(default_factory=dict)


class Application:
    """Starts the workers, watches them, collects their models."""

    def __init__(self, folder: Path, address: str, port: int, workers: list[Worker], seed: int,
                 spawner, partitions: int = 1000, history_rows: int = 0):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._spawner = spawner
        self._counters = [{} for _ in workers]
        self._processes, self._threads = [], []
        for part, worker in enumerate(workers):
            self._options = {
                "address": address, "port": port, "part": part, "parts": len(workers),
                "partitions": partitions, "seed": seed, "history_rows": history_rows,
                "protocol_version": worker.protocol_version, "compression": worker.compression,
                "client_timestamps": worker.client_timestamps,
                "model": str(self.folder / f"model-{part}"), **worker.options,
            }
            self._launch(part)

    def _launch(self, part: int) -> None:
        with open(self.folder / f"worker-{part}.log", "w") as log:
            process = self._spawner.spawn(
                [sys.executable, str(Path(__file__).resolve()), json.dumps(self._options)], False,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        thread = threading.Thread(target=self._read, args=(part, process), daemon=True)
        thread.start()
        self._processes.append(process)
        self._threads.append(thread)

    def _read(self, part: int, process) -> None:
        with process.stdout:
            for line in process.stdout:
                self._counters[part] = json.loads(line)

    def counters(self) -> Counter:
        """Of all workers: acknowledged (statements), requests, retried, doubtful, errors."""
        total = Counter()
        for one in self._counters:
            total.update({name: count for name, count in one.items() if name != "errors"})
            total.update({f"error {name}": count for name, count in one.get("errors", {}).items()})
        return total

    @property
    def acknowledged(self) -> int:
        return self.counters()["acknowledged"]

    def errors(self) -> int:
        return sum(count for name, count in self.counters().items() if name.startswith("error "))

    def wait_for(self, acknowledged: int, timeout_s: float = 120) -> int:
        """Until so many writes are acknowledged; AssertionError when a worker fails."""
        deadline = time.monotonic() + timeout_s
        while self.acknowledged < acknowledged:
            self.check()
            if time.monotonic() > deadline:
                raise AssertionError(f"only {self.acknowledged} of {acknowledged} writes were "
                                     f"acknowledged in {timeout_s:.0f} s: {self.counters()}")
            time.sleep(0.05)
        return self.acknowledged

    def check(self) -> None:
        """AssertionError when a worker has failed."""
        for part, process in enumerate(self._processes):
            if process.poll() not in (None, 0):
                log = (self.folder / f"worker-{part}.log").read_text()
                raise AssertionError(f"application worker {part} failed:\n{log[-4000:]}")

    def stop(self, timeout_s: float = 90) -> Model:
        """Lets the workers finish what they began; all that they know."""
        for process in self._processes:
            process.stdin.close()
        for process in self._processes:
            process.wait(timeout_s)
        self.check()
        for thread in self._threads:
            thread.join(10)
        model = Model()
        for part in range(len(self._processes)):
            model.merge(pickle.loads((self.folder / f"model-{part}").read_bytes()))
        return model

    def kill(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait(10)


# --- one worker ---


class _Run:
    def __init__(self, options: dict):
        self.options = options
        part, parts = options["part"], options["parts"]
        self.model = support_history.model(options["history_rows"], part, parts)
        self.workload = Workload(options["seed"], part, parts, options["partitions"], self.model)
        self.counts = Counter()
        self.errors = Counter()
        self.prepared: dict = {}
        self.stopped = threading.Event()
        self.cluster = support.cluster(
            options["address"], options["port"], protocol_version=options["protocol_version"],
            compression="lz4" if options["compression"] else False,
            reprepare_on_up=part % 2 == 0)
        self.session = self.cluster.connect()
        self.session.use_client_timestamp = options["client_timestamps"]

    def run(self) -> None:
        limit = self.options.get("acknowledged")
        pause_s = self.options.get("pause_s", 0)
        while not self.stopped.is_set() and (not limit or self.counts["acknowledged"] < limit):
            self._round(self.workload.round(_ROUND))
            self.stopped.wait(pause_s)

    def _round(self, operations: list[Operation]) -> None:
        """All at the same time, then those again that got no answer, until each is settled."""
        while operations:
            sent = [(operation, self._send(operation)) for operation in operations]
            operations = [one for one, future in sent if not self._settled(one, future)]
            if operations:
                time.sleep(0.1)

    def _send(self, operation: Operation):
        try:
            return self.session.execute_async(self._statement(operation), timeout=20)
        except Exception as error:  # judged in _settled, as those of the future are
            return error

    def _settled(self, operation: Operation, future) -> bool:
        try:
            if isinstance(future, Exception):
                raise future
            future.result()
        except self._expected_errors() as error:
            self.errors[self._name_of(error)] += 1
            if operation.retried:
                self.counts["retried"] += 1
                return False
            self.counts["doubtful"] += 1
            for doubt in operation.doubt:
                doubt()
            return True
        self.counts["requests"] += 1
        self.counts["acknowledged"] += len(operation.statements)
        for effect in operation.effects:
            effect()
        return True

    @staticmethod
    def _name_of(error: Exception) -> str:
        """With the driver's reason: an empty list of hosts means that it takes all for down."""
        name = type(error).__name__
        tried = getattr(error, "errors", None)
        if not isinstance(tried, dict):
            return name
        reasons = sorted({type(one).__name__ for one in tried.values()})
        return f"{name} ({', '.join(reasons) or 'no host is up'})"

    @staticmethod
    def _expected_errors() -> tuple:
        """What an application gets when the proxy is killed. Anything else is our fault."""
        from cassandra import OperationTimedOut
        from cassandra.cluster import NoHostAvailable
        from cassandra.connection import ConnectionException
        return OperationTimedOut, NoHostAvailable, ConnectionException

    def _statement(self, operation: Operation):
        from cassandra.query import BatchStatement, BatchType, SimpleStatement

        if not operation.batch:
            [(text, values)] = operation.statements
            if operation.prepared:
                return self._prepare(text).bind(values)
            return SimpleStatement(self._literal(text, values))
        batch = BatchStatement(getattr(BatchType, operation.batch))
        for index, (text, values) in enumerate(operation.statements):
            if operation.prepared or index == 0:
                batch.add(self._prepare(text).bind(values))
            else:
                batch.add(SimpleStatement(self._literal(text, values)))
        return batch

    def _prepare(self, text: str):
        if text not in self.prepared:
            self.prepared[text] = self.session.prepare(text)
        return self.prepared[text]

    def _literal(self, text: str, values: list) -> str:
        """The statement with its values written out."""
        parts = text.split("?")
        encode = self.session.encoder.cql_encode_all_types
        return parts[0] + "".join(encode(one) + rest for one, rest in zip(values, parts[1:]))

    def report(self) -> None:
        print(json.dumps(dict(self.counts) | {"errors": dict(self.errors)}), flush=True)

    def report_until_stopped(self) -> None:
        while not self.stopped.wait(0.25):
            self.report()

    def stop_at_end_of_input(self) -> None:
        sys.stdin.read()
        self.stopped.set()


def main() -> None:
    run = _Run(json.loads(sys.argv[1]))
    for target in (run.stop_at_end_of_input, run.report_until_stopped):
        threading.Thread(target=target, daemon=True).start()
    run.run()
    run.stopped.set()
    run.report()
    Path(run.options["model"]).write_bytes(pickle.dumps(run.model))
    run.cluster.shutdown()


if __name__ == "__main__":
    main()
