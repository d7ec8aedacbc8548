# docs/environments.md says how it is used. PyTorch brings its own CUDA; the host needs NVIDIA's container toolkit.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates make python3.11 python3.11-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /emofuse
COPY Makefile ./
COPY envs/requirements.lock envs/
RUN make .venv/installed PIP_FLAGS="--quiet --no-cache-dir --disable-pip-version-check"
COPY . .
# Any user may run it (docker run --user), one whom the image does not know by name included; caches go where all may write.
ENV PATH=/emofuse/.venv/bin:$PATH HOME=/tmp USER=emofuse PYTHONDONTWRITEBYTECODE=1
# Results and records lie in the folder that is mounted here, not in the image.
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/emofuse/Snakefile"]
