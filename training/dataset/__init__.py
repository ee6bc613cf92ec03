"""From photographs to training data: metric crops, captions, masks, marks in pixels, and a census that balances."""
