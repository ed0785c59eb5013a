"""Print the prose of Python's language reference, from a standard module, one paragraph per line.

python corpora/manual.py > manual.txt
"""

from __future__ import annotations

from pydoc_data.topics import topics

parts = [" ".join(part.split()) for topic in topics.values() for part in topic.split("\n\n")]
prose = [part for part in parts if part[:1].isupper() and part[-1] == "." and part.isascii()]
print("\n".join(dict.fromkeys(prose)))
