"""A bed: a folder with nodes in it, all of which end when the bed is closed."""

import atexit
from dataclasses import replace
from pathlib import Path

from . import addresses
from .errors import BedError
from .node import RunningNode
from .process import Spawner
from .spec import Node


class Bed:
    """Nodes under `root_dir`. Use it in a `with` block, or call close().

    The nodes are killed by the kernel when this process dies, however it dies, unless `detached`:
    then they stay, and a later Bed on the same folder finds them (the command line works so).
    """

    def __init__(self, root_dir, detached: bool = False):
        self.root = Path(root_dir).absolute()
        self.root.mkdir(parents=True, exist_ok=True)
        self.detached = detached
        self._spawner = Spawner()
        self._nodes: dict[str, RunningNode] = {}
        if not detached:
            atexit.register(self.close)

    def __enter__(self) -> "Bed":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def start(self, spec: Node) -> RunningNode:
        """Starts a node on its own and returns at once; wait_ready() waits. On a folder that has
        data of that name already the node continues with it."""
        return self.start_ring([spec])[0]

    def start_ring(self, specs: list[Node], join: RunningNode | None = None) -> list[RunningNode]:
        """Starts one ring of these nodes, all at the same time; wait_ready() each of them.

        With `join` the nodes bootstrap into the ring of a running node instead; one at a time.
        """
        for spec in specs:
            spec.check()
            self._must_be_down(spec.name)
        cluster = join.spec.cluster_name if join else None
        cluster = cluster or specs[0].cluster_name or specs[0].name
        leases = []
        try:
            for spec in specs:
                leases.append(addresses.take(
                    spec.address, spec.port, f"node {spec.name} in {self.root}"))
            found = [lease.address for lease in leases]
            seeds = join.seeds if join else found[:3]
            size = len(specs) + (join.ring_size if join else 0)
            nodes = []
            for spec, lease in zip(specs, leases):
                spec = replace(spec, address=lease.address, cluster_name=cluster)
                node = RunningNode(spec, self.root / spec.name, seeds, size,
                                   self._jmx_port(spec.name), lease)
                self._nodes[spec.name] = node
                nodes.append(node)
        except BaseException:
            for lease in leases:
                lease.release()
            raise
        for node in nodes:
            node.launch(self._spawner, self.detached)
        return nodes

    def up(self, *specs: Node) -> list[RunningNode]:
        """Starts independent nodes in parallel and waits for all of them."""
        nodes = [self.start(spec) for spec in specs]
        return [node.wait_ready() for node in nodes]

    def node(self, name: str) -> RunningNode:
        """The node of that name, also when another process started it."""
        if name not in self._nodes:
            self._nodes[name] = RunningNode.load(self.root / name)
        return self._nodes[name]

    def restart(self, name: str) -> RunningNode:
        return self.node(name).restart(self._spawner, self.detached)

    def nodes(self) -> list[RunningNode]:
        """All nodes of the folder, running or not, by name."""
        names = {path.parent.name for path in self.root.glob("*/node.json")} | set(self._nodes)
        return [self.node(name) for name in sorted(names)]

    def close(self) -> None:
        """Ends every node that this Bed knows, at once. Their data stays in the folder."""
        nodes = list(self._nodes.values())
        for node in nodes:
            node.close()
        self._nodes.clear()
        atexit.unregister(self.close)

    def _must_be_down(self, name: str) -> None:
        if name in self._nodes or (self.root / name / "node.json").exists():
            node = self.node(name)
            if node.running():
                raise BedError(f"{name} runs already at {node.address} (process {node.pid})")
            node.close()

    def _jmx_port(self, name: str) -> int:
        """Distinct from those of the nodes that are not up yet, too."""
        taken = {node.jmx_port for node in self._nodes.values()}
        while (port := addresses.free_port()) in taken:
            pass
        return port
