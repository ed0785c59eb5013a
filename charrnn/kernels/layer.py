"""One recurrent layer through time, for any cell: forward, and backward (BPTT).

Symbols: T steps, B sequences, H hidden units, G gates (products by W), I inputs of the layer.
"""

from __future__ import annotations

from .jit import jit
from .matmul import matmul, pack, rows_of, transposed

BLOCK = 256  # rows of a weight gradient's sum that are packed at a time: 256 x 32 floats fill the L1 cache
ONLY = (0,)  # the blocks of a product with a single block


@jit
def lookup(cell, ids, table, a):
    """Add the input product for one-hot inputs: a[input_blocks[g], r] += table[ids[r], g].

    Shapes: ids (N,); table (V, G, H); a (blocks, N, H).
    """
    for r in range(ids.size):
        weights = table[ids[r]]
        for g in range(weights.shape[0]):
            add(weights[g], a[cell.input_blocks[g], r])


@jit
def lookup_backward(cell, ids, da, dtable):
    """dtable[ids[r], g] += da[input_blocks[g], r]; a character that occurs twice is added twice."""
    for r in range(ids.size):
        dweights = dtable[ids[r]]
        for g in range(dweights.shape[0]):
            add(da[cell.input_blocks[g], r], dweights[g])


@jit
def set_bias(bias, a):
    """a[block, r] = bias[block] for all rows r and all blocks with a bias."""
    for block in range(bias.shape[0]):
        for r in range(a.shape[1]):
            copy(bias[block], a[block, r])


@jit
def bias_backward(da, dbias):
    """dbias[block] += sum over rows of da[block]."""
    for block in range(dbias.shape[0]):
        for r in range(da.shape[1]):
            add(da[block, r], dbias[block])


@jit
def _hide(s_rows, fresh, t, kept):
    """Where a document starts at step t, save the states before it in `kept` and set them to 0.

    Shapes: s_rows (states, (T + 1)*B, H); fresh (T*B,); kept (states, B, H).
    """
    batch = kept.shape[1]
    for b in range(batch):
        if fresh[t * batch + b]:
            for i in range(kept.shape[0]):
                copy(s_rows[i, t * batch + b], kept[i, b])
                zero(s_rows[i, t * batch + b])


@jit
def _restore(s_rows, fresh, t, kept):
    """Undo `_hide`, because these states are also the outputs of step t - 1."""
    batch = kept.shape[1]
    for b in range(batch):
        if fresh[t * batch + b]:
            for i in range(kept.shape[0]):
                copy(kept[i, b], s_rows[i, t * batch + b])


@jit
def forward(cell, panels, a, a_rows, s, s_rows, pairs, fresh, kept):
    """Run a layer through time: at each step, a[:, t] += W_hh h[t - 1], then the cell.

    `a` starts as input products plus biases.
    Shapes: panels (G, packed W_hh^T); a (blocks, T, B*H); s (states, T + 1, B*H), with the carried-in state
    in s[:, 0]; a_rows, s_rows: the same memory as (..., T*B, H) and (..., (T + 1)*B, H);
    pairs: see `matmul.rows_of`; fresh (N,): 1 where a document starts, or empty; kept: see `_hide`.
    Cost: 2 G H^2 flops a character.
    """
    batch = s_rows.shape[1] // s.shape[1]
    for t in range(a.shape[1]):
        if fresh.size > 0:
            _hide(s_rows, fresh, t, kept)
        h_prev = rows_of(s_rows[0, t * batch : (t + 1) * batch], pairs)
        for g in range(panels.shape[0]):
            matmul(h_prev, panels[g], a_rows[cell.recurrent_blocks[g], t * batch : (t + 1) * batch], True)
        cell.forward(a, s, t)
        if fresh.size > 0:
            _restore(s_rows, fresh, t, kept)


@jit
def backward(cell, panels, a, a_rows, s, s_rows, dy, ds, ds_rows, pairs, fresh, kept):
    """Go backward through time: `a`, as left by `forward`, becomes da, and ds the gradient of s[:, 0].

    Shapes: as in `forward`; panels (G, packed W_hh); dy (T, B*H) the gradient of h from the layer above;
    ds (states, B*H) and ds_rows (states, B, H) share memory. ds starts as 0, because truncated BPTT cuts
    the gradient after the last step; it also cuts where a document starts.  Cost: 2 G H^2 flops a character.
    """
    batch = ds_rows.shape[1]
    for i in range(ds.shape[0]):
        zero(ds[i])
    for t in range(a.shape[1] - 1, -1, -1):
        add(dy[t], ds[0])  # the layer above and the next step both read h[t]
        if fresh.size > 0:
            _hide(s_rows, fresh, t, kept)
        cell.backward(a, s, t, ds)
        if fresh.size > 0:
            _restore(s_rows, fresh, t, kept)
        for g in range(panels.shape[0]):
            da = a_rows[cell.recurrent_blocks[g], t * batch : (t + 1) * batch]
            matmul(rows_of(da, pairs), panels[g], ds_rows[0], True)
        for b in range(batch if fresh.size > 0 else 0):
            if fresh[t * batch + b]:
                for i in range(ds_rows.shape[0]):
                    zero(ds_rows[i, b])
    for r in range(fresh.size):  # W_hh was multiplied by 0 here
        if fresh[r]:
            zero(s_rows[0, r])


@jit
def weight_gradient(dout, blocks, x, dw, buffer, pairs):
    """Add the outer products of all rows: dw[g] += dout[blocks[g]]^T x.

    Shapes: dout (any, N, H); blocks: the indices in dout of the G gates; x (N, I); dw (G, H, I);
    buffer: panels for BLOCK rows of x.  Cost: 2 N G H I flops.
    """
    for start in range(0, x.shape[0], BLOCK):
        rows = x[start : start + BLOCK]
        pack(rows, buffer)
        for g in range(dw.shape[0]):
            left = transposed(dout[blocks[g], start : start + BLOCK], pairs)
            matmul(left, buffer, dw[g], True)


@jit
def embed(ids, table, x):
    """x[r] = table[ids[r]].  Shapes: ids (N,); table (V, E); x (N, E)."""
    for r in range(ids.size):
        copy(table[ids[r]], x[r])


@jit
def embed_backward(ids, dx, dembed):
    """dembed[ids[r]] += dx[r].  Shapes: ids (N,); dx (N, E); dembed (V, E)."""
    for r in range(ids.size):
        add(dx[r], dembed[ids[r]])


@jit
def zero(x):
    """Fill a vector with 0."""
    for k in range(x.size):
        x[k] = 0


@jit
def copy(x, out):
    """out = x, for vectors of equal size."""
    for k in range(x.size):
        out[k] = x[k]


@jit
def add(x, out):
    """out += x, for vectors of equal size."""
    for k in range(x.size):
        out[k] += x[k]
