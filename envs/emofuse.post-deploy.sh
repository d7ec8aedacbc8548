#!/bin/sh
# Snakemake runs this once it has made the environment of emofuse.yaml, which CONDA_PREFIX names. The compiled extension of
# torchaudio fails at import beside a torch for another CUDA, or for none; only its Python parts are used.
rm -f "${CONDA_PREFIX:?}"/lib/python3.11/site-packages/torchaudio/lib/*.so
