"""Makes up a release and encoders, so that the whole workflow runs in minutes."""
