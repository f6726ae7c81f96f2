"""What numba keeps on disk of compiled code, from one run to the next.

It asks only whether the file of a function has changed. The loops here hold code of other files, too.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType


def is_kept(compiled: Any) -> bool:
    """Whether a function was compiled before, and need not be again."""
    code = compiled.py_func.__code__
    kept = Path(compiled.stats.cache_path).glob(f"{Path(code.co_filename).stem}.{code.co_qualname}-*.nbi")
    return next(kept, None) is not None


def forget_if_older(compiled: Any, sources: "Iterable[ModuleType]") -> None:
    """Have all in the folder of a compiled function compiled anew, where one of the modules has changed since it was.

    All: between the function and what has changed there may be others, which hold the code of what they call as well.
    """
    changed = max(Path(str(module.__file__)).stat().st_mtime_ns for module in sources)
    for path in Path(compiled.stats.cache_path).glob("*.nb[ic]"):
        if path.stat().st_mtime_ns < changed:
            path.unlink(missing_ok=True)
