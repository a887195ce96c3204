import pickle

import torch

from anyany.data.transport import PackedBatch, pack_batch, unpack_batch
from anyany.messages.collate import Batch, Hole, MediaBatch, TargetBatch


def batch() -> Batch:
    ids = torch.arange(6).reshape(2, 3)
    media = {
        "image": MediaBatch(torch.arange(7, dtype=torch.uint8).reshape(1, 7), ids - 3, ["s/k/0"]),
        "audio": MediaBatch(torch.randn(2, 5), ids.flip(0), []),
    }
    targets = {"image": TargetBatch(["a", None], ids, torch.randn(0, 3).half())}
    return Batch(
        ids, ids + 1, ids + 2, ids + 3, ids > 1, media, targets, {"text": 3}, [("s", "k")], [Hole("s", "h", "bad")]
    )


def test_what_crosses_comes_back_equal():
    sent = batch()
    packed = pickle.loads(pickle.dumps(pack_batch(sent)))
    got = unpack_batch(packed)
    pairs = [
        (sent.input_ids_BT, got.input_ids_BT),
        (sent.segment_ids_BT, got.segment_ids_BT),
        (sent.media["image"].values, got.media["image"].values),
        (sent.media["audio"].values, got.media["audio"].values),
        (sent.media["audio"].slots_BT, got.media["audio"].slots_BT),
        (sent.targets["image"].values, got.targets["image"].values),
    ]
    for one, other in pairs:
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert torch.equal(one, other)
    assert (got.counts, got.samples, got.holes) == (sent.counts, sent.samples, sent.holes)
    assert got.targets["image"].captions == ["a", None]


def test_one_tensor_crosses():
    found = []
    packed = pack_batch(batch())
    assert isinstance(packed, PackedBatch)
    pickler = pickle.Pickler(open("/dev/null", "wb"))  # noqa: SIM115
    pickler.persistent_id = lambda value: found.append(value) if isinstance(value, torch.Tensor) else None
    pickler.dump(packed)
    assert len(found) == 1
    assert found[0].dtype == torch.uint8
