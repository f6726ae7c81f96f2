"""What numba keeps of compiled code between two runs, let go of where it is no longer that of the sources.

numba asks only whether the file of a function has changed. The loops here hold code of other files, too.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType


def forget_if_older(compiled: Any, sources: "Iterable[ModuleType]") -> None:
    """Have a compiled function compiled anew if one of the modules has changed since it was."""
    path = Path(compiled.py_func.__code__.co_filename)
    changed = max(Path(str(module.__file__)).stat().st_mtime_ns for module in sources)
    for kept in Path(compiled.stats.cache_path).glob(f"{path.stem}.*"):
        if kept.suffix in (".nbi", ".nbc") and kept.stat().st_mtime_ns < changed:
            kept.unlink(missing_ok=True)
