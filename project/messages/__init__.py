"""The catalogues of the interface's languages: what must be translated is found in the source, and kept in `.po` files.

Found are the sentences that templates and modules mark, as Django's own makemessages finds them, and the sentences that
are kept in English and translated when they are shown (project/translating.py): those need no mark.
"""

from project.messages.catalogue import compiled, read, written
from project.messages.finding import found

__all__ = ["compiled", "found", "read", "written"]
