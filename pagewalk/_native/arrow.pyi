from typing import Any, TypeAlias

from numpy.typing import NDArray

_Buffer: TypeAlias = NDArray[Any] | bytes | None
_Tree: TypeAlias = tuple[bytes, bytes, bytes, int, int, tuple[_Buffer, ...], tuple[Any, ...]]

def schema(tree: _Tree) -> object: ...
def stream(tree: _Tree) -> object: ...
