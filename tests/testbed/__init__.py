"""A test bed of real Apache Cassandra nodes. See README.md beside this file."""

from .bed import Bed
from .errors import BedError
from .node import RunningNode
from .spec import VERSIONS, Node

__all__ = ["VERSIONS", "Bed", "BedError", "Node", "RunningNode"]
