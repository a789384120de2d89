"""The state of a rule's series as bytes, and back: what `watch` keeps from one day to the next."""

import io
from dataclasses import fields
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray


def grow(state: Any, more: Any) -> None:
    """Append the series of `more`, a state of the same rule, to those of `state`; in place."""
    for item in fields(state):
        value = getattr(state, item.name)
        if not item.init or item.metadata.get("shared"):
            continue
        if isinstance(value, np.ndarray):
            setattr(state, item.name, np.concatenate([value, getattr(more, item.name)], axis=-1))
        elif hasattr(value, "__dataclass_fields__") and item.name != "effect":
            grow(value, getattr(more, item.name))


def reset(state: Any, fresh: Any, which: NDArray[np.bool_]) -> None:
    """Put the series of `fresh`, a state of the same rule, in the place of those of `state` where `which`; in place."""
    for (_, array), (_, new) in zip(_arrays(state), _arrays(fresh), strict=True):
        array[..., which] = new


def packed(state: Any) -> bytes:
    """All series of a state, exactly."""
    held = io.BytesIO()
    arrays: dict[str, Any] = dict(_arrays(state))
    np.savez_compressed(held, **arrays)
    return held.getvalue()


def unpack(state: Any, content: bytes) -> None:
    """Put what was packed into a state of the same rule and as many series; in place.

    Raises ValueError where it is of another rule or version, or broken.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as held:
            found = {name: held[name] for name in held.files}
    except (BadZipFile, EOFError, OSError) as error:
        raise ValueError(f"the stored state is broken: {error}") from error
    arrays = dict(_arrays(state))
    if arrays.keys() != found.keys():
        raise ValueError(f"the stored state has other parts than {', '.join(sorted(arrays))}")
    for name, array in arrays.items():
        value = found[name]
        if value.shape != array.shape or value.dtype != array.dtype:
            raise ValueError(f"the stored {name} has the shape {value.shape} instead of {array.shape}")
        array[...] = value


def _arrays(state: Any, prefix: str = "") -> list[tuple[str, NDArray[Any]]]:
    """The arrays of a state whose last axis is the series; what is derived from them is left out."""
    found: list[tuple[str, NDArray[Any]]] = []
    for field in fields(state):
        value = getattr(state, field.name)
        if not field.init or field.metadata.get("shared"):
            continue
        if isinstance(value, np.ndarray):
            found.append((prefix + field.name, value))
        elif hasattr(value, "__dataclass_fields__") and field.name != "effect":
            found += _arrays(value, f"{prefix}{field.name}.")
    return found
