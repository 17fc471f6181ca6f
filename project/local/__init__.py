"""The embedded services: a private Postgres and a private Redis, children of whoever starts them.

Everything they keep lies in the data folder. They listen on unix sockets alone, ask for a password where they can, and
end when their parent ends, even by a kill. No Django here: the settings ask this module where the services are.
"""

from project.local.children import Child, die_with_parent
from project.local.faults import NO_ROOM, LocalError, has_no_room
from project.local.places import hold
from project.local.postgres import Postgres, database
from project.local.redis import Redis, redis_url

__all__ = [
    "NO_ROOM",
    "Child",
    "LocalError",
    "Postgres",
    "Redis",
    "database",
    "die_with_parent",
    "has_no_room",
    "hold",
    "redis_url",
]
