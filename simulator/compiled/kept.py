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
    return any(path.suffix == ".nbi" for path in _files(compiled))


def forget_if_older(compiled: Any, sources: "Iterable[ModuleType]") -> None:
    """Have a compiled function compiled anew if one of the modules has changed since it was."""
    changed = max(Path(str(module.__file__)).stat().st_mtime_ns for module in sources)
    for path in _files(compiled):
        if path.stat().st_mtime_ns < changed:
            path.unlink(missing_ok=True)


def _files(compiled: Any) -> list[Path]:
    code = compiled.py_func.__code__
    pattern = f"{Path(code.co_filename).stem}.{code.co_qualname}-*.nb[ic]"
    return sorted(Path(compiled.stats.cache_path).glob(pattern))
