"""What a stage would train, need and take, worked out of its own model on the meta device."""
