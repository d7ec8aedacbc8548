"""Writes the Parquet stores of embeddings, of fine-tuned and of frozen encoders alike."""

import pyarrow as pa

from emofuse.runtime.store import write_parquet


def write_embeddings(output, turns, parts, embedding, logits, metadata):
    """Write a store of one modality, encoder, split and seed: a row for each of the `turns`, in their order.

    parts: {turn: part of the split}. embedding: (n, width), logits: (n, classes), float32. Columns: turn_id, part (null
    outside the split), embedding and logits (fixed-size lists of float32). metadata: str -> str.
    """
    columns = {
        "turn_id": pa.array(turns, pa.string()),
        "part": pa.array([parts.get(turn) for turn in turns], pa.string()),
        "embedding": vectors(embedding),
        "logits": vectors(logits),
    }
    write_parquet(output, pa.table(columns), metadata)


def vectors(rows):
    """(n, d) float32 as an Arrow array of n fixed-size lists."""
    return pa.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1])


def why_left_out(row):
    """Why a turn has no clip, from its manifest row."""
    return f"{row['status']}: {row['note']}" if row["note"] else row["status"]
