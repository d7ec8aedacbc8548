"""What the page that compares finished runs is made of."""
