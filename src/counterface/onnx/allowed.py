"""What an ONNX file may hold: everything in the file itself, and operators of a known list alone.

Protobuf's wire format is read here, so that it is known before ONNX Runtime sees the file that no
other file would be read. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from counterface.wire_format import read_fields, read_varint

DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml")
MOST_BYTES = 1_000_000_000
MOST_NUMBERS = 500_000_000  # of one tensor that the file holds
MOST_NODES = 100_000
_DEEPEST = 24  # graphs in graphs
_MOST_FIELDS = 2_000_000

# ONNX's own but those that repeat a graph (Loop, Scan, SequenceMap), draw at random, or take
# sequences, options, texts or files of pictures.
OPERATORS = frozenset(
    b"""
    Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool
    BatchNormalization BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow
    Cast CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape Conv
    ConvInteger ConvTranspose Cos Cosh CumProd CumSum DFT DeformConv DepthToSpace DequantizeLinear
    Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU
    Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater
    GreaterOrEqual GridSample GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish
    Hardmax Identity If InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less
    LessOrEqual LinearAttention Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max
    MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization MelWeightMatrix Min Mish Mod Mul Neg
    NonMaxSuppression NonZero Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear
    RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence
    RoiAlign RotaryEmbedding Round STFT Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid
    Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum
    SwiGLU Swish Tan Tanh TensorScatter ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze
    Upsample Where Xor
    ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LinearClassifier LinearRegressor
    Normalizer Scaler SVMClassifier SVMRegressor TreeEnsemble TreeEnsembleClassifier
    TreeEnsembleRegressor
    """.split()
)

_INSIDE = {  # message -> field -> the message it holds
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_DOMAIN_FIELD = {"node": 7, "function": 10}
_OPERATOR, _SIDES = 4, 1  # of a node, of a tensor
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def find_fault(content: bytes) -> str | None:
    """Why a file is not loaded, in words; None where nothing speaks against it."""
    if len(content) > MOST_BYTES:
        return f"{len(content)} bytes, at most {MOST_BYTES} are read"
    waiting = [("model", memoryview(content), 0)]
    seen = nodes = 0
    try:
        while waiting:
            kind, data, depth = waiting.pop()
            if depth > _DEEPEST:
                return f"graphs inside graphs, deeper than {_DEEPEST}"
            nodes += kind == "node"
            if nodes > MOST_NODES:
                return f"more than {MOST_NODES} operators"
            numbers = 1
            for field, value in read_fields(data):
                seen += 1
                if seen > _MOST_FIELDS:
                    return f"more than {_MOST_FIELDS} parts"
                if fault := _fault(kind, field, value):
                    return fault
                if kind == "tensor" and field == _SIDES:
                    numbers *= _product(value)
                    if numbers > MOST_NUMBERS:
                        return f"a tensor of {numbers} numbers, at most {MOST_NUMBERS} are read"
                if field in _INSIDE[kind] and isinstance(value, memoryview):
                    waiting.append((_INSIDE[kind][field], value, depth + 1))
    except (IndexError, ValueError):
        return "not a usable ONNX file; it is damaged or of another kind"
    return None if seen else "it is empty"


def _fault(kind: str, field: int, value: int | memoryview) -> str | None:
    if kind == "tensor" and (
        field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value not in (0, b""))
    ):
        return "weights of it lie in another file; save it with all weights inside"
    if not isinstance(value, memoryview):
        return None
    if field == _DOMAIN_FIELD.get(kind) and bytes(value[:100]) not in DOMAINS:
        return f"it needs operators of {_shown(value)}; only ONNX's own are run"
    if kind == "node" and field == _OPERATOR and bytes(value[:100]) not in OPERATORS:
        return f"it needs the operator {_shown(value)}, which is not run; export the net without it"
    return None


def _shown(value: memoryview) -> str:
    return repr(bytes(value[:100]).decode("utf-8", "replace"))


def _product(value: int | memoryview) -> int:
    """The product of one side, or of several that are packed; negative ones are huge."""
    if isinstance(value, int):
        return value
    product, at = 1, 0
    while at < len(value) and product <= MOST_NUMBERS:
        side, at = read_varint(value, at)
        product *= side
    return product
