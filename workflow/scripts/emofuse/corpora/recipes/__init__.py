"""How a corpus that is not IEMOCAP is read: a file for each kind, which makes a Listing of its release."""
