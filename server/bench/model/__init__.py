"""Models of true shape with random weights, so that anyone can measure without downloading any."""
