"""Python runs this before anything else where `PYTHONPATH` names this folder: it breaks the service.

`CHAOS_VARIANT` names how. It is the environment that every worker inherits, so all of them are broken alike.
"""

import os

if os.environ.get("CHAOS_VARIANT"):
    from tests.end_to_end.chaos import broken

    broken.VARIANTS[os.environ["CHAOS_VARIANT"]]()
