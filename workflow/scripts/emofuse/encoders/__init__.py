"""Pretrained encoders: fetched, checked, fine-tuned, applied to turns."""
