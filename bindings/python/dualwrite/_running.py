"""Proxies and jobs: what runs on threads of the library."""

import atexit
import os
import weakref
from collections import namedtuple

from . import _dualwrite
from ._differences import arrow_table, read_differences
from ._errors import CancelledError, InvalidArgumentError, JobFailedError, TimedOutError
from ._options import configure

# What runs when the interpreter ends: its threads must not call into a dying interpreter.
_running = weakref.WeakSet()


@atexit.register
def _close_all():
    for one in list(_running):
        one.close()


def _forget_all():
    for one in list(_running):
        one._forget()
    _running.clear()


# A child has none of the library's threads, and must not wait for them when it ends.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


async def _in_thread(call, *arguments):
    import asyncio  # not with dualwrite itself: it takes its time

    return await asyncio.get_running_loop().run_in_executor(None, call, *arguments)


async def _until(wait, timeout):
    """wait(seconds) again and again, so that a task that is cancelled leaves no thread behind."""
    import time

    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = 0.2 if end is None else min(0.2, max(end - time.monotonic(), 0))
        if await _in_thread(wait, left):
            return True
        if end is not None and time.monotonic() >= end:
            return False


def _from_json(text):
    import json  # not with dualwrite itself: it takes its time

    return json.loads(text)


class ProxyProgress(namedtuple(
    "ProxyProgress", "state ready clients backlog_writes spool_bytes backlog_age_ms dead_letters"
)):
    """A snapshot of a proxy; `state` is "running", "draining" or "stopped"."""

    __slots__ = ()


class Proxy:
    """Relays CQL clients to `source` and sends each of their writes to `target` as well.

    As a context manager, `with` or `async with`, it starts on entry, and on exit stops as stop()
    does.
    """

    def __init__(self, source, target, *, log=None, use_environment=False, **options):
        self._options = {"source": source, "target": target, **options}
        self._conf = configure("proxy", self._options, log, use_environment)
        self._conf.check()
        self._handle = None

    def start(self):
        """Listens and serves. Returns the proxy."""
        if self._handle is None:
            self._handle = _dualwrite.Proxy(self._conf)
            _running.add(self)
        return self

    def stop(self, drain_limit=None):
        """Lets clients go, delivers what waits for at most `drain_limit` seconds (default: the
        option drain_limit), and stops. True: every acknowledged write is at the target; False:
        some are left in the spool for the next start."""
        handle = self._started()
        handle.stop(None if drain_limit is None else round(drain_limit * 1000))
        handle.wait(None)
        return self.progress().backlog_writes == 0

    def wait(self, timeout=None):
        """Waits until it has stopped; False after `timeout` seconds. Raises why it stopped by
        itself, if it did."""
        return self._started().wait(timeout)

    def close(self):
        """Stops without delivering; what is not delivered stays in the spool. May be repeated."""
        if self._handle is not None:
            self._handle.close()
            _running.discard(self)

    def progress(self):
        state, *rest = self._started().progress()
        return ProxyProgress(("running", "draining", "stopped")[state], *rest)

    def status(self):
        """The status as the metrics port serves it under /status.json."""
        return _from_json(self._started().status_json())

    def metrics(self):
        """The metrics in Prometheus' text format."""
        return self._started().metrics_text()

    @property
    def port(self):
        """The port that it listens on."""
        return self._started().port

    @property
    def metrics_port(self):
        """The port of metrics and status, 0 if there is none."""
        return self._started().metrics_port

    def _started(self):
        if self._handle is None:
            raise InvalidArgumentError("the proxy was not started", -1)
        return self._handle

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            self.close()

    async def wait_async(self, timeout=None):
        """wait() for coroutines: other tasks run meanwhile."""
        return await _until(self.wait, timeout)

    async def stop_async(self, drain_limit=None):
        """stop() for coroutines."""
        handle = self._started()
        handle.stop(None if drain_limit is None else round(drain_limit * 1000))
        await self.wait_async()
        return self.progress().backlog_writes == 0

    async def __aenter__(self):
        await _in_thread(self.start)
        return self

    async def __aexit__(self, *_):
        try:
            await self.stop_async()
        finally:
            # Also when the task is cancelled: it takes no time to speak of.
            self.close()

    def _forget(self):
        self._handle.forget()


_JOB_STATES = ("running", "succeeded", "different", "failed", "cancelled")


class JobProgress(namedtuple(
    "JobProgress",
    "state table ranges_total ranges_done ranges_failed ranges_skipped rows rows_estimated cells "
    "bytes retries missing extra differing rechecked elapsed_s done_fraction rows_per_s eta_s "
    "repaired",
)):
    """A snapshot of a job; `state` is "running", "succeeded", "different", "failed" or
    "cancelled". Counters only grow."""

    __slots__ = ()


class Job:
    """A copy or a validation that runs. As a context manager it is closed on exit; `await job`
    gives its result() without blocking the event loop. Notebooks show how far it is."""

    def __init__(self, handle, kind="copy"):
        self._handle = handle
        self._kind = kind
        _running.add(self)

    def progress(self):
        state, *rest = self._handle.progress()
        return JobProgress(_JOB_STATES[state], *rest)

    def wait(self, timeout=None):
        """Waits until it has ended, however; False after `timeout` seconds."""
        return self._handle.wait(timeout)

    def result(self, timeout=None):
        """Waits and returns report(). Raises JobFailedError if the job could not be completed,
        CancelledError if it was cancelled, TimedOutError after `timeout` seconds. Differences are
        a result: see report() or progress().state."""
        if not self.wait(timeout):
            raise TimedOutError(f"the job has not ended within {timeout} s", -11)
        state = self.progress().state
        if state == "failed":
            raise JobFailedError(self.error() or "the job failed", -12)
        if state == "cancelled":
            raise CancelledError("the job was cancelled", -7)
        return self.report()

    def __await__(self):
        return self.result_async().__await__()

    def cancel(self):
        """Asks it to end soon. What is done stays done: the same call continues."""
        self._handle.cancel()

    def set_pace(self, **options):
        """How fast a copy goes from now on: rate, rate_bytes, rate_units; none: no limit."""
        self._handle.set_pace(configure("copy", options, None, False))

    def report(self):
        """The report so far."""
        return _from_json(self._handle.report_json())

    def differences(self):
        """What a validation has found, one dict each, at most differences_max of them."""
        return read_differences(self.report())

    def to_arrow(self):
        """The differences as a pyarrow.Table, for pyarrow.parquet.write_table(), pandas and their
        like. Needs pyarrow."""
        return arrow_table(self.differences())

    def __repr__(self):
        try:
            progress = self.progress()
        except InvalidArgumentError:
            return f"<dualwrite {self._kind}: closed>"
        return (f"<dualwrite {self._kind}: {progress.state}, {progress.done_fraction:.0%}, "
                f"{progress.rows:,} rows>")

    def _repr_html_(self):
        from ._display import job_html

        try:
            return job_html(self.progress(), self._kind, self.error())
        except InvalidArgumentError:
            return None  # then a notebook shows repr()

    def error(self):
        """Why it failed, empty if it did not."""
        return self._handle.error()

    def close(self):
        """Cancels it and releases what it has. May be repeated."""
        self._handle.close()
        _running.discard(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    async def wait_async(self, timeout=None):
        """wait() for coroutines: other tasks run meanwhile."""
        return await _until(self.wait, timeout)

    async def result_async(self, timeout=None):
        """result() for coroutines."""
        await self.wait_async(timeout)
        return self.result(0)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.close()

    def _forget(self):
        self._handle.forget()


def _start_job(command, source, target, keyspace, tables, log, use_environment, options):
    options = {"source": source, "target": target, "keyspace": keyspace, **options}
    if tables:
        options["table"] = [tables] if isinstance(tables, str) else list(tables)
    conf = configure(command, options, log, use_environment)
    conf.check()
    return Job(_dualwrite.Job(conf, command == "copy"), command)


def check(source, target, keyspace="", *, tables=(), use_environment=False, **options):
    """Looks at both clusters and tries the target; the report of `dualwrite check --json`."""
    options = {"source": source, "target": target, "keyspace": keyspace or None, **options}
    if tables:
        options["table"] = [tables] if isinstance(tables, str) else list(tables)
    conf = configure("check", options, None, use_environment)
    conf.check()
    return _from_json(conf.try_json())


def copy(source, target, keyspace, *, tables=(), log=None, use_environment=False, **options):
    """Starts to copy a keyspace, or some of its tables, with write times and expiry."""
    return _start_job("copy", source, target, keyspace, tables, log, use_environment, options)


def validate(source, target, keyspace, *, tables=(), log=None, use_environment=False, **options):
    """Starts to compare a keyspace, or some of its tables, on both sides."""
    return _start_job("validate", source, target, keyspace, tables, log, use_environment, options)
