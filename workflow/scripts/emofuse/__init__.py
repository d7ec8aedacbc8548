"""emofuse: multimodal emotion recognition on IEMOCAP, from the raw release to an evaluation that can be trusted."""
