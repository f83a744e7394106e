"""Every layer gives PyTorch's starting weights, outputs, gradients and buffers.

The cases are a selection of PyTorch's own module tests, recorded with PyTorch 2.13
(tools/select_module_vectors.py).
"""

from pathlib import Path

import pytest

import rushlight
from tests.nn.module_replay import Replay, archive_names, load

BASES = ("Module", "Parameter", "Container", "Sequential", "RNNBase", "RNNCellBase",
         "LinearCrossEntropyOptions")
ARCHIVE = Path(__file__).parents[1] / "data" / "nn" / "modules.zip"


@pytest.mark.parametrize("name", archive_names(ARCHIVE))
def test_module_agrees_with_pytorch(name):
    record = load(ARCHIVE, name)
    replay = Replay(rushlight, record)
    assert record["recs"]
    for case in record["recs"]:
        try:
            replay.run(case)
        except Exception as error:
            error.args = (f"case {case['i']} ({case['desc']}), train={case['train']}: {error}",)
            raise


def test_every_layer_is_recorded():
    recorded = {load(ARCHIVE, name)["cls"].rpartition(".")[2] for name in archive_names(ARCHIVE)}
    layers = {name for name in rushlight.nn.modules.__all__ if not name.startswith(BASES)}
    # PyTorch's module tests do not call these; tests/nn/cases.py does.
    elsewhere = set(
        "AdaptiveLogSoftmaxWithLoss AlphaDropout ChannelShuffle CosineSimilarity CrossMapLRN2d "
        "Dropout Dropout1d Dropout2d Dropout3d EmbeddingBag FeatureAlphaDropout Flatten Fold "
        "FractionalMaxPool2d FractionalMaxPool3d Hardsigmoid Identity LazyBatchNorm1d "
        "LazyBatchNorm2d LazyBatchNorm3d LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d "
        "LazyLinear MaxUnpool1d MaxUnpool2d MaxUnpool3d NLLLoss2d PairwiseDistance PixelShuffle "
        "PixelUnshuffle RReLU SoftMarginLoss SyncBatchNorm TransformerDecoder TransformerEncoder "
        "TripletMarginLoss TripletMarginWithDistanceLoss Unflatten Unfold Upsample "
        "UpsamplingBilinear2d UpsamplingNearest2d".split()
    )
    assert layers - recorded == elsewhere
