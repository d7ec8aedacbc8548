"""Tables, figures and pages of a run."""
