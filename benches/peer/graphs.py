"""ONNX graphs over weights that lie in safetensors files."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
MASKED = np.float32(-1e30)


class Graph:
    """Collects the nodes, the inputs and the weights that they name."""

    def __init__(self, file, places):
        self.file, self.places = file, places
        self.nodes, self.inputs, self.outputs, self.initializers = [], [], [], {}
        self.names = {}

    def op(self, kind, inputs, n_out=1, domain="", **attributes):
        """Adds a node and returns the name of its output, or their names."""
        stem = f"{kind}_{len(self.nodes)}"
        names = [f"{stem}_{i}" for i in range(n_out)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=stem, domain=domain, **attributes))
        return names[0] if n_out == 1 else names

    def fused(self, kind, inputs, n_out=1, **attributes):
        """A node of the runtime's own operators."""
        return self.op(kind, inputs, n_out, domain="com.microsoft", **attributes)

    def input(self, name, dtype, shape):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name, of, dtype, shape):
        """Gives a value the name of an output. (An Identity node would be a copy.)"""
        self.names[of] = name
        self.outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def weight(self, name):
        """A range of bytes of the weights file."""
        if name not in self.initializers:
            offset, shape = self.places[name]
            tensor = TensorProto(name=name, data_type=FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
            place = {"location": self.file, "offset": offset, "length": 4 * int(np.prod(shape))}
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
            self.initializers[name] = tensor
        return name

    def const(self, value):
        array = np.asarray(value)
        name = f"const_{array.dtype}_{array.shape}_{array.tobytes().hex()}"
        self.initializers.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def ints(self, *values):
        return self.const(np.array(values, np.int64))

    def reshape(self, x, *shape):
        return self.op("Reshape", [x, self.ints(*shape)])

    def transpose(self, x, *perm):
        return self.op("Transpose", [x], perm=perm)

    def linear(self, x, stem):
        return self.op("Gemm", [x, self.weight(f"{stem}.weight"), self.weight(f"{stem}.bias")])

    def norm(self, x, stem, eps):
        inputs = [x, self.weight(f"{stem}.weight"), self.weight(f"{stem}.bias")]
        return self.op("LayerNormalization", inputs, axis=-1, epsilon=eps)

    def mlp(self, x, at, eps):
        hidden = self.linear(self.norm(x, f"{at}ln_2", eps), f"{at}mlp.c_fc")
        return self.op("Add", [x, self.linear(self.fused("FastGelu", [hidden]), f"{at}mlp.c_proj")])

    def logits(self, x, eps, rows=None):
        table = rows or self.weight("wte.weight")
        return self.op("Gemm", [self.norm(x, "ln_f", eps), table], transB=1)

    def embed(self, tokens, positions):
        rows = [self.op("Gather", [self.weight(name), ids]) for name, ids in
                (("wte.weight", tokens), ("wpe.weight", positions))]
        return self.op("Add", rows)

    def model(self):
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [self.names.get(name, name) for name in names]
        graph = helper.make_graph(
            self.nodes, "bench", self.inputs, self.outputs, list(self.initializers.values()))
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def causal(g, n):
    """0 where a query may look, and a large negative number elsewhere. [n n]"""
    rows = g.op("Range", [g.const(np.int64(0)), n, g.const(np.int64(1))])
    may = g.op("LessOrEqual", [g.op("Unsqueeze", [rows, g.ints(0)]), g.op("Unsqueeze", [rows, g.ints(1)])])
    return g.op("Where", [may, g.const(np.float32(0)), g.const(MASKED)])


def forward(shape, places, observed):
    """All logits; `observed` adds what happens on the way."""
    g = Graph("model.safetensors", places)
    heads, d_head, d = shape.n_heads, shape.d_head, shape.d_model
    tokens = g.input("tokens", INT64, ["n"])
    n = g.op("Squeeze", [g.op("Shape", [tokens])])
    x = g.embed(tokens, g.op("Range", [g.const(np.int64(0)), n, g.const(np.int64(1))]))
    mask = causal(g, n) if observed else None
    for layer in range(shape.n_layers):
        at = f"h.{layer}."
        qkv = g.linear(g.norm(x, f"{at}ln_1", shape.eps), f"{at}attn.c_attn")
        q, k, v = g.op("Split", [qkv, g.ints(d, d, d)], 3, axis=1)
        if observed:
            by_head = [g.transpose(g.reshape(part, -1, heads, d_head), 1, 0, 2) for part in (q, k, v)]
            scores = g.fused("FusedMatMul", by_head[:2], transB=1, alpha=d_head**-0.5)
            pattern = g.op("Softmax", [g.op("Add", [scores, mask])], axis=-1)
            z = g.reshape(g.transpose(g.op("MatMul", [pattern, by_head[2]]), 1, 0, 2), -1, d)
            g.output(f"pattern.{layer}", pattern, FLOAT, [heads, "n", "n"])
            g.output(f"k.{layer}", k, FLOAT, ["n", d])
            g.output(f"v.{layer}", v, FLOAT, ["n", d])
        else:
            batched = [g.op("Unsqueeze", [part, g.ints(0)]) for part in (q, k, v)]
            z = g.fused("MultiHeadAttention", batched, num_heads=heads, unidirectional=1)
            z = g.op("Squeeze", [z, g.ints(0)])
        x = g.mlp(g.op("Add", [x, g.linear(z, f"{at}attn.c_proj")]), at, shape.eps)
        if observed:
            g.output(f"resid_post.{layer}", x, FLOAT, ["n", d])
    g.output("logits", g.logits(x, shape.eps), FLOAT, ["n", shape.d_vocab])
    return g.model()


def decode(shape, places):
    """One more token. Keys come as [head d_head capacity], values as [head capacity d_head]."""
    g = Graph("model.safetensors", places)
    heads, d_head, d = shape.n_heads, shape.d_head, shape.d_model
    x = g.embed(g.input("token", INT64, [1]), g.input("position", INT64, [1]))
    mask = g.input("mask", FLOAT, ["capacity"])
    for layer in range(shape.n_layers):
        at = f"h.{layer}."
        past_k = g.input(f"past_k.{layer}", FLOAT, [heads, d_head, "capacity"])
        past_v = g.input(f"past_v.{layer}", FLOAT, [heads, "capacity", d_head])
        qkv = g.linear(g.norm(x, f"{at}ln_1", shape.eps), f"{at}attn.c_attn")
        q, k, v = (g.reshape(part, heads, 1, d_head) for part in g.op("Split", [qkv, g.ints(d, d, d)], 3, axis=1))
        then = g.op("Add", [g.fused("FusedMatMul", [q, past_k], alpha=d_head**-0.5), mask])
        now = g.fused("FusedMatMul", [q, k], transB=1, alpha=d_head**-0.5)
        pattern = g.op("Softmax", [g.op("Concat", [then, now], axis=2)], axis=-1)
        last = g.op("Slice", [pattern, g.ints(-1), g.ints(2**31 - 1), g.ints(2)])
        past = g.op("Slice", [pattern, g.ints(0), g.ints(-1), g.ints(2)])
        z = g.op("Add", [g.op("MatMul", [past, past_v]), g.op("Mul", [last, v])])
        x = g.op("Add", [x, g.linear(g.reshape(z, 1, d), f"{at}attn.c_proj")])
        x = g.mlp(x, at, shape.eps)
        g.output(f"k.{layer}", k, FLOAT, [heads, 1, d_head])
        g.output(f"v.{layer}", v, FLOAT, [heads, 1, d_head])
    g.output("logits", g.logits(x, shape.eps), FLOAT, [1, shape.d_vocab])
    return g.model()


def sweep(shape, places, layer):
    """One block on the rows of many runs.

    `map` says which row each run reads at each position [run n], `own` at which of those places each row is computed.
    The last block ends in logits at the last position, in the chosen columns.
    """
    g = Graph("model.safetensors", places)
    heads, d_head, d, at = shape.n_heads, shape.d_head, shape.d_model, f"h.{layer}."
    is_last = layer == shape.n_layers - 1
    x = g.input("rows", FLOAT, ["row", d])
    places_of = g.input("map", INT64, ["run", "n"])
    mask = g.input("mask", FLOAT, ["n", "n"])
    normed = g.norm(x, f"{at}ln_1", shape.eps)
    by_head = lambda part, perm: g.transpose(g.reshape(part, 0, 0, heads, d_head), *perm)  # noqa: E731
    if is_last:
        last = g.op("Gather", [places_of, g.const(np.int64(-1))], axis=1)  # [run]
        x = g.op("Gather", [x, last])  # [run d_model]
        w, b = g.weight(f"{at}attn.c_attn.weight"), g.weight(f"{at}attn.c_attn.bias")
        cut = lambda of, start, end, axis: g.op("Slice", [of, g.ints(start), g.ints(end), g.ints(axis)])  # noqa: E731
        q = g.op("Gemm", [g.op("Gather", [normed, last]), cut(w, 0, d, 1), cut(b, 0, d, 0)])
        kv = g.op("Gemm", [normed, cut(w, d, 3 * d, 1), cut(b, d, 3 * d, 0)])
        q = g.op("Unsqueeze", [q, g.ints(1)])  # [run 1 d_model]
        k, v = g.op("Split", [g.op("Gather", [kv, places_of]), g.ints(d, d)], 2, axis=2)
    else:
        qkv = g.linear(normed, f"{at}attn.c_attn")
        q, k, v = g.op("Split", [g.op("Gather", [qkv, places_of]), g.ints(d, d, d)], 3, axis=2)
    q, k, v = (by_head(part, (0, 2, 1, 3)) for part in (q, k, v))  # [run head n d_head]
    scores = g.fused("FusedMatMul", [q, k], transB=1, alpha=d_head**-0.5)
    if not is_last:
        scores = g.op("Add", [scores, mask])
    pattern = g.op("Softmax", [scores], axis=-1)
    z = g.reshape(g.transpose(g.op("MatMul", [pattern, v]), 0, 2, 1, 3), -1, d)
    if is_last:
        g.inputs.pop()  # The last position may look everywhere.
    else:
        z = g.op("Gather", [z, g.input("own", INT64, ["row"])])
    x = g.mlp(g.op("Add", [x, g.linear(z, f"{at}attn.c_proj")]), at, shape.eps)
    if is_last:
        columns = g.op("Gather", [g.weight("wte.weight"), g.input("columns", INT64, ["column"])])
        g.output("logits", g.logits(x, shape.eps, columns), FLOAT, ["run", "column"])
    else:
        g.output("after", x, FLOAT, ["row", d])
    return g.model()


SAE_FILE = "sae/sae_weights.safetensors"
"""Where its weights are, in the shared folder."""


def sae(places, top_k):
    """Sparse features of a stream: the `top_k` largest, with their indices."""
    g = Graph(SAE_FILE, places)
    x = g.op("Sub", [g.input("x", FLOAT, ["n", 768]), g.weight("b_dec")])
    acts = g.op("Relu", [g.op("Gemm", [x, g.weight("W_enc"), g.weight("b_enc")])])
    values, indices = g.op("TopK", [acts, g.ints(top_k)], 2, axis=-1, largest=1, sorted=1)
    g.output("values", values, FLOAT, ["n", top_k])
    g.output("indices", indices, INT64, ["n", top_k])
    return g.model()
