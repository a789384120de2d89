"""The hash index numbers keys as a dict would."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from touchstream.streams.measure.hash_index import ABSENT, HashIndex

# A few values that collide in their low or high half, so that both halves are needed to tell keys apart.
halves = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63, 2**64 - 1])
batches = st.lists(st.lists(st.tuples(halves, halves), unique=True, max_size=60), max_size=8)


def columns(keys: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([key[0] for key in keys], np.uint64), np.array([key[1] for key in keys], np.uint64)


@given(batches)
def test_keys_get_the_numbers_that_a_dict_would_give(batches: list[list[tuple[int, int]]]) -> None:
    index, expected = HashIndex(), dict[tuple[int, int], int]()
    for batch in batches:
        unknown = [key for key in batch if key not in expected]
        assert (index.find(*columns(unknown)) == ABSENT).all()
        rows = index.insert(*columns(batch)).tolist()
        assert rows == [expected.setdefault(key, len(expected)) for key in batch]
        assert len(index) == len(expected)


@given(st.lists(st.tuples(halves, halves), unique=True, max_size=200), st.randoms(use_true_random=False))
def test_dropped_keys_are_gone_and_the_others_keep_their_order(keys: list[tuple[int, int]], random: object) -> None:
    index = HashIndex()
    index.insert(*columns(keys))
    mask = np.array([random.random() < 0.5 for _ in keys], np.bool_)  # type: ignore[attr-defined]
    index.keep(mask)
    kept = [key for key, stays in zip(keys, mask, strict=True) if stays]
    dropped = [key for key, stays in zip(keys, mask, strict=True) if not stays]
    assert index.find(*columns(kept)).tolist() == list(range(len(kept)))
    assert (index.find(*columns(dropped)) == ABSENT).all()


def test_a_hash_index_grows_past_a_hundred_thousand_keys_without_losing_one() -> None:
    index, keys = HashIndex(), np.arange(150_000, dtype=np.uint64)
    for start in range(0, len(keys), 7_000):
        batch = keys[start : start + 7_000]
        index.insert(batch % np.uint64(13), batch)
    assert (index.find(keys % np.uint64(13), keys) == np.arange(len(keys))).all()
